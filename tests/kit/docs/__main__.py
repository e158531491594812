"""`make docs-pages`: writes the generated pages, and removes those that are no longer made."""

import sys

from kit.docs import DOCS
from kit.docs.pages import generated_pages, stale_pages


def main() -> int:
    """Write what differs."""
    for name, text in generated_pages().items():
        path = DOCS / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"written: docs/{name}")
    for path in stale_pages():
        path.unlink()
        print(f"removed: docs/{path.relative_to(DOCS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
