"""A real `kagent-adk static`, whose mounted configuration is replaced as kubelet does it."""

import hashlib
import itertools
import json
import os
import socket
import subprocess
import sys
import urllib.request
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loaded import PRODUCT

from kit.hot_files import Volume
from kit.waiting import until

BOOTSTRAP = Path(find_spec("hotpeers_shim").origin).parent / "bootstrap"
CARD = {
    "name": "boss",
    "description": "d",
    "url": "http://127.0.0.1",
    "version": "1",
    "protocolVersion": "0.3.0",
    "capabilities": {"streaming": True},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "skills": [],
}


class Servers:
    """A running `hot_servers.py`."""

    def __init__(self) -> None:
        command = [str(PRODUCT), str(Path(__file__).with_name("hot_servers.py"))]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return json.load(response)

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


class HotAgent:
    """The agent's process, its volume and its ack."""

    card = CARD

    def __init__(self, folder: Path, servers: Servers, *, hot: bool = True) -> None:
        self.servers = servers
        self.volume = Volume(folder / "config")
        self.peer_file = folder / "peers.json"
        self.peer_file.write_text(json.dumps({"generation": 1, "peers": []}))
        self._log = folder / "log"
        self._hot = hot
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def config(self, instruction: str = "first", **more: Any) -> dict[str, Any]:
        """A configuration for the servers of this agent."""
        model = {"type": "openai", "model": "m1", "base_url": f"{self.servers.url}/v1"}
        model |= more.pop("model", {})
        return {"model": model, "description": "d", "instruction": instruction, **more}

    def tools(self, *names: str) -> dict[str, Any]:
        """The field `http_tools` with these tools of the server of tools."""
        params = {"url": f"{self.servers.url}/mcp", "timeout": 30}
        return {"http_tools": [{"params": params, "tools": list(names)}]}

    def configure(self, config: Any = None, **more: Any) -> None:
        """Replace the volume; without a configuration, by one with the fields of `more`."""
        self.volume.configure(self.config(**more) if config is None else config, card=CARD)

    def start(self, *command: str, **env: str) -> None:
        """Start `kagent-adk static`, or another command of kagent-adk, and wait until it serves."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
        environ |= {
            "PYTHONPATH": str(BOOTSTRAP),
            "HOTPEERS_PEER_FILE": str(self.peer_file),
            "KAGENT_URL": self.servers.url,
            "KAGENT_NAME": "boss",
            "KAGENT_NAMESPACE": "team",
            "OPENAI_API_KEY": "none",
            # Otherwise litellm (kagent-adk 0.7) asks the network for prices when it is imported.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            **({"HOTPEERS_HOT_CONFIG": str(self.volume.path)} if self._hot else {}),
            **env,
        }
        what = list(command or ("static", "--filepath", str(self.volume.path)))
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        program = [sys.executable, "-m", "kagent.adk.cli", *what, *where]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(program, env=environ, stdout=log, stderr=log)
        until("the agent to serve", self._serves, 120)

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return self._log.read_text()

    def ask(self, text: str = "go") -> dict[str, Any]:
        """Run one turn; returns the request to the model."""
        message = {
            "role": "user",
            "messageId": str(uuid.uuid4()),
            "parts": [{"kind": "text", "text": text}],
            "contextId": str(uuid.uuid4()),
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        said = [text for text in _texts(answer) if text.startswith("{")]
        assert said, answer
        return json.loads(said[-1])

    def acked(self) -> dict[str, Any]:
        """The configuration part of the ack; empty before the first ack."""
        assert self.process is not None
        path = self.peer_file.parent / f"acks/ack-{self.process.pid}.json"
        return json.loads(path.read_text()).get("config", {}) if path.exists() else {}

    def becomes(self, state: str) -> dict[str, Any]:
        """Wait until the ack has this state; returns its configuration part."""
        return until(
            f"the state {state}", lambda: (ack := self.acked()).get("state") == state and ack, 30
        )

    def is_live(self) -> dict[str, Any]:
        """Wait until the current files are acked as live; returns the ack."""
        digest = hashlib.sha256((self.volume.path / "config.json").read_bytes()).hexdigest()

        def live() -> dict[str, Any]:
            ack = self.acked()
            return ack if (ack.get("state"), ack.get("digest")) == ("live", digest) else {}

        return until("the configuration", live, 30)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate(timeout=10)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if value.get("kind") == "text" else []
        return own + list(itertools.chain.from_iterable(map(_texts, value.values())))
    if isinstance(value, list):
        return list(itertools.chain.from_iterable(map(_texts, value)))
    return []
