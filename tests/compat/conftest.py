"""The harness of the compatibility suite: the real framework, a scripted model, real A2A peers.

It runs in each generation's own environment, with the shim loaded the way its bootstrap loads it.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = Path(os.environ.get("HOTPEERS_PRODUCT_PYTHON", ROOT / ".venv/bin/python"))
FOLDER = Path(tempfile.mkdtemp(prefix="hotpeers-compat-"))
PEER_FILE = FOLDER / "peers.json"

os.environ["HOTPEERS_PEER_FILE"] = str(PEER_FILE)
os.environ["OTEL_SDK_DISABLED"] = "true"

# Before google.adk is imported anywhere, as sitecustomize would.
from hotpeers_shim import start  # noqa: E402

start.begin()

ADK = tuple(int(part) for part in metadata.version("google-adk").split(".")[:2])
try:
    KAGENT = metadata.version("kagent-adk")
except metadata.PackageNotFoundError:
    KAGENT = ""

from hotpeers_shim import contract, live  # noqa: E402


def eventually(check: Callable[[], Any], *, within: float = 10.0, what: str = "it") -> Any:
    """Wait for a condition, bounded; returns its first true value."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about within {within} s")


async def becomes(check: Callable[[], Any], *, within: float = 10.0, what: str = "it") -> Any:
    """As `eventually`, while the event loop goes on."""
    return await asyncio.to_thread(eventually, check, within=within, what=what)


class PeerServer:
    """A running `peer_server.py`."""

    def __init__(self, *flags: str) -> None:
        command = [str(PRODUCT), str(Path(__file__).with_name("peer_server.py")), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]
        # The line comes when it listens; what is sent before it serves waits in the backlog.

    def log(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/log", timeout=5) as response:
            return json.load(response)

    def requests(self, text: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log()["requests"] if entry["text"] == text]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@pytest.fixture(scope="session")
def server() -> Iterator[PeerServer]:
    running = PeerServer()
    yield running
    running.stop()


@pytest.fixture
def start_server() -> Iterator[Callable[..., PeerServer]]:
    started: list[PeerServer] = []

    def start_one(*flags: str) -> PeerServer:
        started.append(PeerServer(*flags))
        return started[-1]

    yield start_one
    for one in started:
        one.stop()


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
        temporary = PEER_FILE.with_suffix(".tmp")
        temporary.write_bytes(content)
        temporary.replace(PEER_FILE)

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


@pytest.fixture
def peers() -> Iterator[PeerFileWriter]:
    writer = PeerFileWriter()
    writer.write()
    yield writer
    writer.write()
    state = live.get()
    state.catalog()
    state._taken.clear()
    state._skipped.clear()
    assert state._error == "", state._error


def peer(name: str, server: "PeerServer | str", **more: Any) -> dict[str, Any]:
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


def pytest_report_header() -> str:
    kagent = f", kagent-adk {KAGENT}" if KAGENT else ""
    adk, a2a = metadata.version("google-adk"), metadata.version("a2a-sdk")
    return f"google-adk {adk}, a2a-sdk {a2a}{kagent}, Python {sys.version.split()[0]}"


@pytest.fixture(params=["plain", "kagent"] if KAGENT else ["plain"], autouse=True)
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Whether the agent runs on kagent. The shim decides it once a process; here each test does."""
    from hotpeers_shim.adapters import dialogue
    from hotpeers_shim.adapters import kagent as adapter

    if request.param == "kagent":
        import kagent.adk.types  # noqa: F401 - its import is what tells the shim
    else:
        monkeypatch.setattr(adapter, "is_present", lambda: False)
    dialogue._kagent.cache_clear()
    yield request.param
    dialogue._kagent.cache_clear()


@pytest.fixture
def conversation() -> Any:
    from model import Conversation  # only now: it imports the framework

    return Conversation
