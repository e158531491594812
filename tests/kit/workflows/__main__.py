"""Builds actionlint; `needs-go` succeeds if a Go toolchain is missing for it."""

import sys

from kit.apiserver.gobuild import NoBinariesError
from kit.workflows.binaries import ensure_actionlint, needs_go


def main(arguments: list[str]) -> int:
    """Build it, or say whether that needs Go."""
    if arguments == ["needs-go"]:
        return 0 if needs_go() else 1
    try:
        print(f"actionlint is {ensure_actionlint()}")
    except NoBinariesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
