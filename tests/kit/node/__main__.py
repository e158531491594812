"""`python -m kit.node`: build what a node needs; `needs-go` tells whether Go must be installed first.

`python -m kit.node run COMMAND…` runs a command (a shell, say) with KUBECONFIG naming a node of its own.
"""

import os
import subprocess
import sys

from kit.apiserver.gobuild import NoBinariesError
from kit.node.binaries import ensure_node_binaries, needs_go
from kit.node.machine import NoNodeError, check_possible
from kit.node.node import Node


def main(arguments: list[str]) -> int:
    """`needs-go` succeeds if a toolchain must be installed; `check` if a node can run here."""
    try:
        if arguments == ["needs-go"]:
            return 0 if needs_go() else 1
        check_possible()
        if arguments == ["check"]:
            return 0
        binaries = ensure_node_binaries()
        if arguments[:1] == ["run"]:
            node = Node(binaries)
            try:
                node.start()
                environ = {**os.environ, "KUBECONFIG": str(node.kubeconfig)}
                return subprocess.run(arguments[1:], env=environ, check=False).returncode
            finally:
                node.close()
    except (NoBinariesError, NoNodeError) as error:
        print(f"error: no node for the tests: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
