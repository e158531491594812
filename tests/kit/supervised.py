"""A sidecar with a bridge under its supervisor, as in a pod."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.raw_peer import RawPeer

SECONDS = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Supervised:
    """The supervisor and the sidecar that it keeps up."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.manifests = folder / "manifests"
        self.manifests.mkdir()
        command = [sys.executable, "-m", "hotpeers.supervisor", *arguments]
        environment = {**os.environ, "HOTPEERS_BRIDGE_LISTEN": f"127.0.0.1:{self.port}"}
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment)

    def child(self) -> int | None:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = path.read_text().split()
        return int(found[0]) if found else None


@contextmanager
def supervised(folder: Path, *more: str) -> Iterator[Supervised]:
    arguments = ["run", "--peers-dir", str(folder / "manifests"), "--listen", "none"]
    arguments += ["--peer-file", str(folder / "peers.json"), *more]
    made = Supervised(folder, *arguments)
    try:
        yield made
    finally:
        made.process.terminate()
        code = made.process.wait(SECONDS)
    assert code == 0, made.log.read_text()


def offer(made: Supervised, peer: RawPeer) -> None:
    manifest = {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Peer",
        "metadata": {"name": peer.name},
        "spec": {"url": f"{peer.url}/"},
    }
    (made.manifests / f"{peer.name}.yaml").write_text(json.dumps(manifest))
