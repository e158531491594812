"""Orchestrators that call each other: processes of `to_a2a` and of `kagent-adk static`, with the shim."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from hot_agent import BOOTSTRAP, HotAgent

from kit.waiting import until

PROGRAM = '''
import os

from google.adk.a2a.utils.agent_to_a2a import to_a2a
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.genai import types


class Model(BaseLlm):
    """Passes the user's text on to the first tool that it is offered, and says what it heard."""

    model: str = "scripted"

    async def generate_content_async(self, llm_request, stream=False):
        names = [
            declaration.name
            for tool in llm_request.config.tools or []
            for declaration in tool.function_declarations or []
        ]
        last = llm_request.contents[-1].parts[-1]
        if names and not last.function_response:
            call = types.FunctionCall(name=names[0], args={"request": last.text})
            part = types.Part(function_call=call)
        else:
            part = types.Part(text=f"heard {last.function_response and last.function_response.response}")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


app = to_a2a(LlmAgent(name="boss", model=Model()), host="127.0.0.1", port=int(os.environ["PORT"]))
'''


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Orchestrator:
    """A process `team/<name>` that passes each message on to its first peer. Speaks A2A `version`."""

    def __init__(
        self, folder: Path, name: str, version: str, python: str = sys.executable, **env: str
    ) -> None:
        self.name = name
        self.version = version
        self.port = free_port()
        self._folder = folder / name
        self._folder.mkdir()
        (self._folder / "served.py").write_text(PROGRAM)
        self.offer()
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
        environ |= {
            "PYTHONPATH": str(BOOTSTRAP),
            "HOTPEERS_PEER_FILE": str(self._folder / "peers.json"),
            "PORT": str(self.port),
            "OTEL_SDK_DISABLED": "true",
            **env,
        }
        serve = ["-m", "uvicorn", "served:app", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self._folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [python, *serve], cwd=self._folder, env=environ, stdout=log, stderr=log
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def offer(self, *peers: dict[str, Any]) -> None:
        write(self._folder / "peers.json", self.name, peers)

    def entry(self, **more: Any) -> dict[str, Any]:
        """This orchestrator as a peer of another one."""
        return entry(self.name, self.url, self.version, **more)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self._folder / "log").read_text()
        return _answers(f"{self.url}/.well-known/agent-card.json")

    def ask(self, text: str, **more: Any) -> str:
        return ask(self.url, self.version, text, **more)

    def reported(self) -> list[str]:
        """The reasons of failed calls in its ack."""
        path = self._folder / f"acks/ack-{self.process.pid}.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        return [failure["reason"] for failure in found.get("failures", [])]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


def entry(name: str, url: str, version: str, **more: Any) -> dict[str, Any]:
    """A peer `team/<name>` at an orchestrator's address, which may get the lineage."""
    way = {"url": f"{url}/", "binding": "JSONRPC", "protocolVersion": version, "streaming": False}
    about = {"description": f"{name} passes it on", "uid": f"uid-{name}", "userHeaders": True}
    return {"name": name, "namespace": "team", "url": url, "interfaces": [way], **about, **more}


def write(path: Path, name: str, peers: Any) -> None:
    """Replace the peer file of `team/<name>`."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"orchestrator": f"team/{name}", "peers": list(peers)}))
    temporary.replace(path)


def ask(
    url: str,
    version: str,
    text: str,
    *,
    metadata: Any = None,
    around: Any = None,
    headers: Any = (),
    **message: Any,
) -> str:
    """The raw answer to one message; `around` is the metadata of the request around it."""
    old = version.startswith("0.")
    body = {
        "role": "user" if old else "ROLE_USER",
        "messageId": str(uuid.uuid4()),
        "parts": [{"text": text, **({"kind": "text"} if old else {})}],
        **({"metadata": metadata} if metadata is not None else {}),
        **message,
    }
    params = {"message": body, **({"metadata": around} if around is not None else {})}
    method = "message/send" if old else "SendMessage"
    data = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    said = {"Content-Type": "application/json", **({} if old else {"A2A-Version": "1.0"})}
    request = urllib.request.Request(
        f"{url}/", json.dumps(data).encode(), {**said, **dict(headers)}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return str(response.read().decode())


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def wait_until_ready(*agents: Orchestrator) -> None:
    for one in agents:
        until(f"{one.name} to serve", one.is_ready, 120)


class KagentOrchestrator(HotAgent):
    """A `kagent-adk static`, `team/boss`, that calls a tool if a message says `call TOOL`."""

    name, version = "boss", "0.3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def offer(self, *peers: dict[str, Any]) -> None:
        write(self.peer_file, self.name, peers)

    def reported(self) -> list[str]:
        assert self.process is not None
        path = self.peer_file.parent / f"acks/ack-{self.process.pid}.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        return [failure["reason"] for failure in found.get("failures", [])]
