"""`make cluster`: build what the test cluster needs, and say whether a Go toolchain is missing."""

import sys

from cluster.binaries import NoBinariesError, ensure_binaries, find_go, ready_folder


def main(arguments: list[str]) -> int:
    """`needs-go` succeeds if a toolchain must be installed first; without it, everything is built."""
    try:
        if arguments == ["needs-go"]:
            return 0 if ready_folder() is None and find_go() is None else 1
        folder = ensure_binaries()
    except NoBinariesError as error:
        print(f"error: no etcd and kube-apiserver for the tests: {error}", file=sys.stderr)
        return 1
    print(f"test cluster: etcd and kube-apiserver are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
