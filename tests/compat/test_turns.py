"""Turns of unmodified agent programs are counted, and nothing of them is changed by it."""

import json
import threading
import urllib.request
import uuid

import pytest
from harness import A2A
from test_process import answers, free_port, launch, post, runtime  # noqa: F401 - fixtures

from kit.waiting import until

AGENT = '''
import asyncio
from pathlib import Path

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.tools.agent_tool import AgentTool
from google.genai import types

GATE = Path(__file__).with_name("gate")


class Model(BaseLlm):
    """Has its helper asked first; the helper's model answers when the gate is there."""

    model: str = "scripted"

    async def generate_content_async(self, llm_request, stream=False):
        last = llm_request.contents[-1].parts[-1]
        if llm_request.config.tools and not last.function_response:
            part = types.Part(function_call=types.FunctionCall(name="helper", args={"request": "x"}))
        else:
            while not GATE.exists():
                await asyncio.sleep(0.01)
            part = types.Part(text="all is done")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


helper = LlmAgent(name="helper", model=Model())
root_agent = LlmAgent(name="boss", model=Model(), tools=[AgentTool(helper)])
'''


@pytest.fixture
def boss(launch):  # noqa: F811
    """`launch`, of an agent that waits, and of which each turn runs another one within."""
    (launch.folder / "agents/boss/agent.py").write_text(AGENT)
    (launch.folder / "acks").mkdir()
    return launch


def turns(boss, process):
    path = boss.folder / f"acks/turns-{process.pid}.json"
    return json.loads(path.read_text()) if path.exists() else {"active": None}


def becomes(boss, process, active):
    return until(
        f"{active} turns in flight",
        lambda: (found := turns(boss, process))["active"] == active and found,
    )


def open_gate(boss):
    (boss.folder / "agents/boss/gate").touch()


class Asked(threading.Thread):
    """One request and its result."""

    def __init__(self, ask, *arguments):
        super().__init__(daemon=True)
        self._ask, self._arguments, self.said = ask, arguments, ""
        self.start()

    def run(self):
        self.said = self._ask(*self._arguments)

    def result(self):
        self.join(60)
        return self.said


@pytest.mark.core
def test_runs_and_streams_of_adk_api_server(boss):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = boss(
        "-m", "google.adk.cli", "api_server", "--host", "127.0.0.1", "--port", str(port), "."
    )
    until("the server to answer", lambda: answers(f"{url}/list-apps"), 120)
    assert becomes(boss, process, 0)["idleSince"]
    asked = []
    for path in ("run", "run_sse"):
        post(f"{url}/apps/boss/users/u/sessions/{path}", {})
        message = {"role": "user", "parts": [{"text": "go"}]}
        body = {"appName": "boss", "userId": "u", "sessionId": path, "newMessage": message}
        asked.append(Asked(post, f"{url}/{path}", body))
    # Runs within runs belong to the request that they are for.
    assert becomes(boss, process, 2)["idleSince"] is None
    (boss.folder / "draining").touch()
    until("the drain", lambda: turns(boss, process)["draining"])
    with urllib.request.urlopen(f"{url}/list-apps") as answer:
        assert answer.headers["connection"] == "close"
    open_gate(boss)
    assert all("all is done" in one.result() for one in asked)
    becomes(boss, process, 0)
    assert process.poll() is None


@pytest.mark.needs("to_a2a")
def test_run_that_continues_after_its_answer_is_a_turn(boss):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (boss.folder / "agents/served.py").write_text(
        "from google.adk.a2a.utils.agent_to_a2a import to_a2a\n"
        "from boss.agent import root_agent\n"
        f"app = to_a2a(root_agent, host='127.0.0.1', port={port})\n"
    )
    process = boss("-m", "uvicorn", "served:app", "--host", "127.0.0.1", "--port", str(port))
    until("the server to answer", lambda: answers(f"{url}/"), 120)
    becomes(boss, process, 0)
    asked = json.loads(send(url, blocking=False))
    assert "error" not in asked, asked
    # The answer has arrived; the agent keeps working.
    becomes(boss, process, 1)
    waiting = Asked(send, url)
    becomes(boss, process, 2)
    open_gate(boss)
    assert "all is done" in waiting.result()
    becomes(boss, process, 0)


def send(url, *, blocking=True):
    old = A2A < (1, 0)
    role, parts = ("user", {"kind": "text"}) if old else ("ROLE_USER", {})
    method, headers = ("message/send", {}) if old else ("SendMessage", {"A2A-Version": "1.0"})
    message = {
        "role": role,
        "messageId": str(uuid.uuid4()),
        "parts": [{"text": "go", **parts}],
    }
    how = {"blocking": blocking} if old else {"returnImmediately": not blocking}
    params = {"message": message, "configuration": how}
    return post(f"{url}/", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers)
