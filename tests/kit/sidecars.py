"""A real `hotpeers run` of a folder as a process, and the peer file as a reader sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from hotpeers_shim.contract import PeerFile, load_peer_file
from kit.apiserver.processes import free_ports
from kit.waiting import until

SECONDS = 60.0


class Sidecar:
    """A `hotpeers run` of a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.peers = folder / "peers"
        self.file = folder / "run" / "peers.json"
        self.acks = folder / "run" / "acks"
        (self.port,) = free_ports(1)
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, and wait until it is ready."""
        self.launch(*options)
        until("the sidecar to be ready", self.is_ready)

    def launch(self, *options: str) -> None:
        """Start it, and do not wait."""
        command = [sys.executable, "-m", "hotpeers", "run", *options]
        environment = {
            **os.environ,
            "HOTPEERS_PEERS_DIR": str(self.peers),
            "HOTPEERS_PEER_FILE": str(self.file),
            "HOTPEERS_LISTEN": f"127.0.0.1:{self.port}",
            "HOTPEERS_LOG_FORMAT": "json",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    def is_ready(self) -> bool:
        """Whether it wrote the peers of its folder."""
        return self.answers("/readyz")

    def answers(self, path: str) -> bool:
        """Whether a probe succeeds; the process must be running."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.get(path) == b"ok\n")
        except OSError:
            return False

    def get(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return bytes(response.read())

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/status")))

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(SECONDS)
        self.process = None
        return code

    def read(self) -> PeerFile:
        found = load_peer_file(self.file.read_bytes())
        assert isinstance(found, PeerFile), found
        return found

    def names(self) -> list[str]:
        return [peer.name for peer in self.read().peers]

    def put(self, name: str, text: str) -> None:
        temporary = self.peers / f".{name}.tmp"
        temporary.write_text(text)
        temporary.replace(self.peers / name)

    def put_peer(self, name: str, description: str = "d", url: str = "http://127.0.0.1:9") -> None:
        spec = {"url": url, "description": description}
        self.put(
            f"{name}.yaml",
            json.dumps(
                {
                    "apiVersion": "hotpeers.dev/v1alpha1",
                    "kind": "Peer",
                    "metadata": {"name": name},
                    "spec": spec if description else {"url": url},
                }
            ),
        )
