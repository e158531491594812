"""The recipe for kagent's Python engine of 1.x, as a folder: its files, its variables, kagent's own command.

Only kagent's server is missing, of which the engine needs kagent-proto and the store of tasks.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import peer
from loaded import PRODUCT
from test_process import acked, answers, free_port, post

from kit.feed import TOKEN, Feed, Relay, peer_list
from kit.waiting import until

NAME = "team__NS__weather"
ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "k8s" / "byo" / "Dockerfile"


@pytest.fixture(autouse=True)
def runtime():
    """The engine is a process of its own."""


class _Model(BaseHTTPRequestHandler):
    """An OpenAI model: calls the peer if it is offered, once a turn, else says what is offered."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        offered = [tool["function"]["name"] for tool in body.get("tools") or []]
        last = body["messages"][-1]
        message = {"role": "assistant", "content": json.dumps([offered, last.get("content")])}
        if NAME in offered and last["role"] != "tool":
            function = {"name": NAME, "arguments": json.dumps({"request": "echo hi"})}
            call = {"id": "c1", "type": "function", "function": function}
            message |= {"content": None, "tool_calls": [call]}
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def model():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub():
    served = Feed(peer_list(1))
    between = Relay(served.port)
    yield served, between
    between.close()
    served.close()


def image_variables(shim: Path, tmp: Path) -> dict[str, str]:
    """The variables of the last stage of the recipe, with its folders moved."""
    last = DOCKERFILE.read_text("utf-8").rpartition("\nFROM ")[2].replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", last, re.MULTILINE)
    found = dict(re.findall(r"(\w+)=(\S+)", line))
    found["PYTHONPATH"] = found["PYTHONPATH"].partition("$")[0]
    return {
        name: value.replace("/opt/hotpeers", str(shim)).replace("/tmp/hotpeers", f"{tmp}/hotpeers")
        for name, value in found.items()
    }


def agent_variables(folder: Path) -> dict[str, str]:
    """The environment of an agent in the image of the recipe, whose folders are below `folder`."""
    subprocess.run(
        [str(PRODUCT), "-m", "hotpeers", "shim", "install", str(folder / "opt")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("HOTPEERS", "PYTHON"))}
    return {**plain, **image_variables(folder / "opt", folder)}


class Engine:
    """kagent's engine of 1.x, as the image of the recipe starts it."""

    def __init__(self, folder: Path, model: str, hub_port: int, **env: str) -> None:
        self.port = free_port()
        self.folder = folder / "hotpeers"
        self.log = folder / "log"
        agent = {
            "description": "an orchestrator",
            "instruction": "call",
            "model": {"model": "scripted", "openai": {"baseUrl": model}},
        }
        runtime = {
            "controlPlaneUrl": "http://127.0.0.1:9",
            "gatewayUrl": "http://127.0.0.1:9",
            "name": "boss",
            "namespace": "team",
            "host": "127.0.0.1",
            "port": free_port(),
            "builtinTools": {"disableBash": True},
        }
        interface = {
            "url": f"http://127.0.0.1:{self.port}/",
            "protocolBinding": "JSONRPC",
            "protocolVersion": "1.0",
        }
        card = {
            "name": "boss",
            "description": "an orchestrator",
            "version": "1",
            "supportedInterfaces": [interface],
            "capabilities": {},
            "defaultInputModes": ["text"],
            "defaultOutputModes": ["text"],
        }
        environ = {
            **agent_variables(folder),
            "HOTPEERS_PEERS_URL": f"http://127.0.0.1:{hub_port}/v1/peers",
            "HOTPEERS_PEERS_TOKEN": TOKEN,
            "HOTPEERS_PEERS_WAIT": "60",
            "KAGENT_CONFIG_JSON": json.dumps({"agent": agent, "runtime": runtime}),
            "KAGENT_AGENT_CARD_JSON": json.dumps(card),
            "OPENAI_API_KEY": "none",
            **env,
        }
        command = [sys.executable, str(Path(__file__).with_name("static_1x.py")), "static"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--filepath", str(folder / "config")],
                env=environ,
                stdout=log,
                stderr=log,
            )

    def turn(self, conversation: str) -> str:
        message = {
            "role": "ROLE_USER",
            "messageId": str(uuid.uuid4()),
            "parts": [{"text": "go"}],
            "contextId": conversation,
        }
        params = {"message": message}
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
        return post(f"http://127.0.0.1:{self.port}/", body, {"A2A-Version": "1.0"})

    def acked(self) -> dict:
        return acked(self.folder, self.process)

    def names(self) -> list[str]:
        document = json.loads((self.folder / "peers.json").read_text())
        return [one["name"] for one in document["peers"]]


@pytest.fixture
def engine(tmp_path, model, hub):
    running = Engine(tmp_path, model, hub[1].port)
    until("the engine", lambda: answers(f"http://127.0.0.1:{running.port}/health"), 120)
    yield running
    running.process.kill()
    running.process.wait(30)


def offer(hub, generation, *peers):
    names = [one["name"] for one in peers]
    hub.put(peer_list(generation, *names, peers=list(peers)))


def test_question_of_the_guide_is_answered(tmp_path):
    page = (ROOT / "docs" / "kagent-1x-byo.md").read_text("utf-8")
    (code,) = re.findall(r"docker run .* -c '\n(.*?)'\n", page, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=agent_variables(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("active\n", 0), done.stderr


@pytest.mark.core
@pytest.mark.shows("acks")
def test_engine_of_1x_follows_a_hub_in_one_conversation(engine, hub, server):
    served, _ = hub
    assert NAME not in engine.turn("c")
    until("the first ack", lambda: engine.acked()["generation"] == 1)
    offer(served, 2, peer("weather", server))
    until("the ack", lambda: engine.acked()["generation"] == 2)
    told = engine.turn("c")
    assert NAME in told
    assert "hi [context" in told
    offer(served, 3)
    until("the ack", lambda: engine.acked()["generation"] == 3)
    assert NAME not in engine.turn("new")
    ack = engine.acked()
    assert (ack["state"], ack["refusals"], ack["pid"]) == ("active", [], engine.process.pid)
    assert TOKEN not in engine.log.read_text()


def test_engine_that_was_suspended_is_current_within_seconds(engine, hub, server):
    served, relay = hub
    until("a held request", lambda: served.holding)
    engine.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    relay.deafen()
    offer(served, 2, peer("weather", server))
    until("a while", lambda: time.monotonic() - stopped > 3)
    engine.process.send_signal(signal.SIGCONT)
    until("the current list", lambda: engine.acked()["generation"] == 2, 20)
    assert engine.names() == ["weather"]
    assert "hi [context" in engine.turn("c")
