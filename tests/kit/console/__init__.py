"""A console over a cluster of the tests: objects to show, users who sign in, and the process itself."""
