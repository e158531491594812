"""`make cluster`: build the programs of the test cluster, and report a missing Go toolchain.

`python -m kit.apiserver run COMMAND…` runs a command with KUBECONFIG naming a cluster of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

from kit.apiserver.binaries import NoBinariesError, ensure_binaries, needs_go


def main(arguments: list[str]) -> int:
    """`needs-go` succeeds if a toolchain must be installed first; without it, everything is built."""
    try:
        if arguments == ["needs-go"]:
            return 0 if needs_go() else 1
        folder = ensure_binaries()
        if arguments[:1] == ["run"]:
            return run(folder, arguments[1:])
    except NoBinariesError as error:
        print(f"error: no etcd and kube-apiserver for the tests: {error}", file=sys.stderr)
        return 1
    print(f"test cluster: etcd and kube-apiserver are in {folder}")
    return 0


def run(folder: Path, command: list[str]) -> int:
    """Run a command beside a cluster that knows the custom resources; returns its exit code."""
    from kit.apiserver.resources import CRD_FILES, install_crd
    from kit.apiserver.server import Cluster

    cluster = Cluster(folder)
    try:
        cluster.start()
        for file in CRD_FILES:
            install_crd(cluster.api, file)
        environ = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        return subprocess.run(command, env=environ, check=False).returncode
    finally:
        cluster.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
