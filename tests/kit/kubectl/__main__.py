"""`make cluster` also builds kubectl; `needs-go` succeeds if Go is missing for it."""

import sys

from kit.apiserver.gobuild import NoBinariesError, needs_go
from kit.kubectl import KUBECTL, ensure_kubectl


def main(arguments: list[str]) -> int:
    """Build kubectl, or report whether a Go toolchain must be installed first."""
    if arguments == ["needs-go"]:
        return 0 if needs_go(KUBECTL) else 1
    try:
        print(f"kubectl is in {ensure_kubectl()}")
    except NoBinariesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
