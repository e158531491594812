"""The tools for spawning: the real `hotpeers mcp` beside the agent, there, away, and back."""

import asyncio
import json
import os
import socket
import subprocess
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from loaded import FOLDER, PRODUCT, ROOT
from scripted import results, texts

from hotpeers_shim import live
from kit.apiserver.kubeconfig import NOWHERE, write_kubeconfig
from kit.waiting import until, until_async

SEARCH = "search_agents_agentregistry"
TOOLS = {
    SEARCH,
    "get_agent_spec",
    "render_agent_manifest",
    "k8s_apply_manifest",
    "wait_for_agent",
    "list_spawned_agents",
    "delete_spawned_agent",
    "run_ephemeral_agent",
}


def look(words="translate"):
    return [(SEARCH, {"query": words})]


class Registry(BaseHTTPRequestHandler):
    """An agentregistry with one agent, that answers when it may."""

    may_answer = threading.Event()
    asked = threading.Event()

    def do_GET(self):
        self.asked.set()
        self.may_answer.wait(30)
        metadata = {"name": "acme.translator", "tag": "latest"}
        agent = {"metadata": metadata, "spec": {"description": "translates documents"}}
        body = json.dumps({"items": [agent]}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # who asked is gone

    def log_message(self, *args):
        pass


@pytest.fixture
def registry():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    Registry.may_answer.set()
    Registry.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Registry.may_answer.set()
    server.shutdown()
    server.server_close()


class Tools:
    """`hotpeers mcp` as a process, on a port that stays the same."""

    def __init__(self, registry):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.registry = registry
        self.process = None

    def start(self):
        kubeconfig = write_kubeconfig(FOLDER / "kubeconfig", NOWHERE)
        command = [str(PRODUCT), "-m", "hotpeers", "mcp", "--registry-url", self.registry]
        command += ["--listen", f"127.0.0.1:{self.port}", "--kubeconfig", str(kubeconfig)]
        environment = {**os.environ, **PATH_OF_PRODUCT}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        until("the tools", self.is_up)

    def is_up(self):
        assert self.process.poll() is None, self.process.stderr.read().decode()
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate(timeout=10)
            self.process = None


PATH_OF_PRODUCT = {}
if os.environ.get("HOTPEERS_TEST_CHECKOUT"):
    PATH_OF_PRODUCT["PYTHONPATH"] = f"{ROOT}/sidecar:{ROOT}/runtime_patch"


@pytest.fixture
def tools(registry, monkeypatch):
    made = Tools(registry)
    state = live.get()
    monkeypatch.setattr(state, "settings", replace(state.settings, spawn_url=made.url))
    # The first connection of a process takes its time on a busy machine.
    monkeypatch.setattr("hotpeers_shim.adapters.spawning.LIST_SECONDS", 10.0)
    yield made
    made.kill()


@pytest.fixture
def impatient(monkeypatch):
    """No list of tools is kept, so that each step asks for it."""
    from hotpeers_shim.adapters import spawning

    monkeypatch.setattr(spawning, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(spawning, "RETRY_SECONDS", 0.0)
    return spawning


@pytest.mark.parametrize("fresh", [True, False], ids=["agent per turn", "one agent"])
async def test_the_model_searches_the_registry(peers, tools, conversation, fresh):
    tools.start()
    talk = conversation(fresh_runner=fresh)
    events = await talk.turn("go", look(), "found")
    assert set(talk.model.offered[0]) == TOOLS
    assert json.loads(results(events)[0])["hits"][0]["name"] == "acme.translator"
    events = await talk.turn("again", [("wait_for_agent", {"name": "BAD NAME"})], "sorry")
    assert texts(events)[-1] == "sorry"
    assert "name" in results(events)[0]


async def test_each_tool_is_declared_with_its_input(peers, tools, conversation):
    tools.start()
    talk = conversation()
    await talk.turn("go")
    declared = {
        one.name: one
        for tool in talk.model.seen[-1].config.tools
        for one in tool.function_declarations
    }
    said = declared[SEARCH]
    schema = said.parameters_json_schema or said.parameters.model_dump(exclude_none=True)
    assert set(schema["properties"]) == {"query", "limit"}
    assert "by what they do" in said.description


@pytest.mark.needs("mcp again")
async def test_turns_continue_while_the_server_is_down(
    peers, tools, conversation, impatient, caplog
):
    talk = conversation()
    events = await talk.turn("nobody there", "all the same")
    assert texts(events) == ["all the same"]
    assert talk.model.offered[-1] == []
    tools.start()
    await talk.turn("now")
    assert set(talk.model.offered[-1]) == TOOLS
    tools.kill()
    events = await talk.turn("killed", look(), "went on")
    assert set(talk.model.offered[-1]) == TOOLS
    assert "cannot be reached now" in results(events)[0]
    assert texts(events)[-1] == "went on"
    impatient.STALE_SECONDS, before = 0.0, impatient.STALE_SECONDS
    await talk.turn("long gone")
    impatient.STALE_SECONDS = before
    assert talk.model.offered[-1] == []
    tools.start()
    events = await talk.turn("back", look(), "found")
    assert set(talk.model.offered[-1]) == TOOLS
    assert json.loads(results(events)[0])["total"] == 1
    complaints = [one for one in caplog.records if "cannot be listed" in one.getMessage()]
    assert len([one for one in complaints if one.name == "hotpeers_shim"]) == 2


async def test_session_unknown_to_a_new_server_is_recreated(peers, tools, conversation):
    tools.start()
    talk = conversation()
    await talk.turn("first", look(), "found")
    tools.kill()
    tools.start()
    events = await talk.turn("second", look(), "found")
    assert json.loads(results(events)[0])["total"] == 1


async def test_a_server_that_dies_in_the_middle_of_a_call_ends_it(peers, tools, conversation):
    tools.start()
    Registry.may_answer.clear()
    talk = conversation()
    turn = asyncio.create_task(talk.turn("go", look(), "went on"))
    await until_async("the search", Registry.asked.is_set)
    tools.kill()
    before = time.monotonic()
    events = await turn
    assert time.monotonic() - before < 25
    assert "not known whether" in results(events)[0]
    assert texts(events)[-1] == "went on"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{{{{"])
async def test_a_server_that_hangs_or_talks_nonsense_costs_two_seconds_at_most(
    peers, registry, conversation, monkeypatch, answer
):
    async def serve(reader, writer):
        if answer:
            await reader.read(1)
            writer.write(answer)
            writer.close()
        else:
            await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    state = live.get()
    url = f"http://127.0.0.1:{port}/mcp"
    monkeypatch.setattr(state, "settings", replace(state.settings, spawn_url=url))
    await conversation().turn("imports what it takes")
    talk = conversation()
    before = time.monotonic()
    events = await talk.turn("go", "fine")
    # Two seconds, plus the delay of a busy machine. Without the timeout it would wait for ever.
    assert time.monotonic() - before < 20
    assert texts(events) == ["fine"]
    assert talk.model.offered[-1] == []
    server.close()


async def test_the_agents_own_tool_of_the_name_wins(peers, tools, conversation):
    def search_agents_agentregistry(query: str) -> str:
        """Its own."""
        return f"mine: {query}"

    tools.start()
    talk = conversation(tools=[search_agents_agentregistry])
    events = await talk.turn("go", look("x"), "done")
    assert talk.model.offered[0].count(SEARCH) == 1
    assert results(events) == ["mine: x"]


async def test_missing_mcp_package_logs_one_line(peers, tools, conversation, caplog, monkeypatch):
    from hotpeers_shim.adapters import attach

    monkeypatch.setattr(attach, "find_spec", lambda name: None)
    monkeypatch.setattr(attach, "_hooked", {"done"})
    for _ in range(2):
        talk = conversation()
        await talk.turn("go")
        assert talk.model.offered[-1] == []
    assert len([one for one in caplog.records if "not installed" in one.getMessage()]) == 1
