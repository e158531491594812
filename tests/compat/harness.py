"""The harness of the compatibility suite: the real framework, a scripted model, real A2A peers.

It runs in each generation's own environment, with the shim loaded the way its bootstrap loads it.
"""

import json
import os
import subprocess
import urllib.request
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loaded import PEER_FILE, PRODUCT, replace_peer_file

from hotpeers_shim import contract

ADK = tuple(int(part) for part in metadata.version("google-adk").split(".")[:2])
A2A = tuple(int(part) for part in metadata.version("a2a-sdk").split(".")[:2])
try:
    KAGENT = metadata.version("kagent-adk")
except metadata.PackageNotFoundError:
    KAGENT = ""
_KAGENT = tuple(int(part) for part in KAGENT.split(".")[:2] if part.isdigit())
_OF_KAGENT_TOOL = {
    "kagent's tool": "kagent's own sub-agent tool: headers of user and lineage, and approvals of a"
    " sub-agent's tools that are brought up to the user",
}
_OF_KAGENT_TOKEN = {
    "token": "the user's token is passed on, as kagent itself does from 0.9.4 on",
}


def lacks() -> dict[str, str]:
    """What the libraries of this environment do not have, by the name that `needs` gives; in words."""
    found = {}
    if ADK < (2, 0):
        found["workflow"] = "workflows, and children of the modes task and single_turn"
    if ADK < (1, 19):
        found["bypass"] = "a search tool that says that it may stand beside others"
    if ADK < (1, 17):
        found["mcp again"] = "tools for spawning that come back after their server was down"
    if ADK >= (1, 34) and ADK < (2, 0) and A2A < (1, 0):
        found["to_a2a"] = "to_a2a, which needs a2a-sdk 1.x there"
    if find_spec("grpc") is None:
        found["grpc"] = "gRPC, which takes the package grpcio"
    if not KAGENT or _KAGENT < (0, 10) or _KAGENT >= (1, 0):
        found["both generations"] = "kagent-adk 0.10, beside google-adk 2 in another environment"
    if KAGENT and _KAGENT >= (1, 0):
        found["hot configuration"] = "hot configuration, of which kagent 1.0 has its own way"
    if KAGENT and _KAGENT < (0, 8):
        found |= _OF_KAGENT_TOOL
    if KAGENT and _KAGENT < (0, 9):
        found |= _OF_KAGENT_TOKEN
    return found


class PeerServer:
    """A running `peer_server.py`."""

    def __init__(self, *flags: str) -> None:
        command = [str(PRODUCT), str(Path(__file__).with_name("peer_server.py")), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        addresses = json.loads(self.process.stdout.readline())
        self.url: str = addresses["url"]
        self.grpc: str = addresses["grpc"]
        # It prints the line when it listens; earlier requests wait in the backlog until it serves.

    def log(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/log", timeout=30) as response:
            return json.load(response)

    def requests(self, text: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log()["requests"] if entry["text"] == text]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


class PeerFileWriter:
    """Writes the peer file of this process as the sidecar would."""

    generation = 0

    def write(self, *peers: dict[str, Any]) -> None:
        self.raw(json.dumps(self.document(*peers)).encode())

    def document(self, *peers: dict[str, Any]) -> dict[str, Any]:
        PeerFileWriter.generation += 1
        return {
            "apiVersion": contract.API_VERSION,
            "generation": PeerFileWriter.generation,
            "peers": list(peers),
        }

    def raw(self, content: bytes) -> None:
        replace_peer_file(content)

    @property
    def ack_path(self) -> Path:
        return PEER_FILE.parent / "acks" / f"ack-{os.getpid()}.json"

    def ack(self) -> contract.Ack | None:
        try:
            value = contract.load_ack(self.ack_path.read_bytes())
        except FileNotFoundError:
            return None
        assert isinstance(value, contract.Ack)
        return value


def peer(name: str, server: PeerServer | str, **more: Any) -> dict[str, Any]:
    """One peer of the file, in the namespace `team`."""
    url = server if isinstance(server, str) else server.url
    return {
        "name": name,
        "namespace": "team",
        "url": url,
        "description": f"{name} does things",
        "uid": f"uid-{name}",
        **more,
    }
