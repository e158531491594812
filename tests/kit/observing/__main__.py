"""`make test-observing`: builds the programs. `needs-go` succeeds if a Go toolchain is missing."""

import sys

from kit.apiserver.gobuild import NoBinariesError
from kit.observing.binaries import ensure_grafana_schema, ensure_promtool, needs_go


def main(arguments: list[str]) -> int:
    """Build both programs."""
    if arguments == ["needs-go"]:
        return 0 if needs_go() else 1
    try:
        print(f"promtool is {ensure_promtool()}")
        print(f"the check of dashboards is {ensure_grafana_schema()}")
    except NoBinariesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
