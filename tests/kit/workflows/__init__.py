"""actionlint and zizmor, which check the workflows in `.github`."""
