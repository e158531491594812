"""Unmodified agent programs, started as anyone would: PYTHONPATH and HOTPEERS_PEER_FILE are all."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
from harness import A2A, peer

from kit.waiting import until

BOOTSTRAP = Path(find_spec("hotpeers_shim").origin).parent / "bootstrap"
NAME = "team__NS__weather"

AGENT = '''
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.genai import types


class Model(BaseLlm):
    """Calls the first tool it is offered, once a turn; else says what it is offered."""

    model: str = "scripted"

    async def generate_content_async(self, llm_request, stream=False):
        names = [
            d.name
            for tool in llm_request.config.tools or []
            for d in tool.function_declarations or []
        ]
        last = llm_request.contents[-1].parts[-1]
        if names and not last.function_response:
            part = types.Part(
                function_call=types.FunctionCall(name=names[0], args={"request": "echo hi"})
            )
        else:
            part = types.Part(text=f"offered {names}, heard {last.function_response}")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


root_agent = LlmAgent(name="boss", model=Model())
'''


@pytest.fixture(autouse=True)
def runtime():
    """These programs are separate processes: their imports decide about the runtime."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(url, body, headers=()):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **dict(headers)}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return response.read().decode()


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture
def launch(tmp_path):
    """Start a program in a folder that holds `boss/agent.py`, with nothing but the two variables."""
    (tmp_path / "agents/boss").mkdir(parents=True)
    (tmp_path / "agents/boss/__init__.py").write_text("from . import agent\n")
    (tmp_path / "agents/boss/agent.py").write_text(AGENT)
    started = []

    def start(*command, path=(BOOTSTRAP,), **env):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
        environ |= {
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "HOTPEERS_PEER_FILE": str(tmp_path / "peers.json"),
            **env,
        }
        with (tmp_path / "out").open("w") as out, (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=tmp_path / "agents",
                env=environ,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
            )
        started.append(process)
        return process

    start.folder = tmp_path
    start.out = (tmp_path / "out").read_text
    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def write(folder, generation, *peers):
    temporary = folder / "peers.tmp"
    temporary.write_text(json.dumps({"generation": generation, "peers": peers}))
    temporary.replace(folder / "peers.json")


def acked(folder, process):
    path = folder / f"acks/ack-{process.pid}.json"
    return json.loads(path.read_text()) if path.exists() else {"generation": -1}


def follows(launch, process, turn, server):
    """The program gains, uses and loses a peer, and acks each, with its pid unchanged."""
    write(launch.folder, 1)
    assert "offered []" in turn()
    write(launch.folder, 2, peer("weather", server))
    until("the ack", lambda: acked(launch.folder, process)["generation"] == 2)
    told = turn()
    assert f"offered ['{NAME}']" in told
    assert "hi [context" in told
    write(launch.folder, 3)
    assert "offered []" in turn()
    assert process.poll() is None


@pytest.mark.core
@pytest.mark.shows("acks")
def test_adk_api_server(launch, server):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = launch(
        "-m", "google.adk.cli", "api_server", "--host", "127.0.0.1", "--port", str(port), "."
    )
    until("the server to answer", lambda: answers(f"{url}/list-apps"), 120)
    post(f"{url}/apps/boss/users/u/sessions/s", {})
    message = {"role": "user", "parts": [{"text": "go"}]}

    def turn():
        return post(
            f"{url}/run",
            {"appName": "boss", "userId": "u", "sessionId": "s", "newMessage": message},
        )

    follows(launch, process, turn, server)


@pytest.mark.needs("to_a2a")
def test_to_a2a_works_under_uvicorn(launch, server):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (launch.folder / "agents/served.py").write_text(
        "from google.adk.a2a.utils.agent_to_a2a import to_a2a\n"
        "from boss.agent import root_agent\n"
        f"app = to_a2a(root_agent, host='127.0.0.1', port={port})\n"
    )
    process = launch("-m", "uvicorn", "served:app", "--host", "127.0.0.1", "--port", str(port))
    until("the server to answer", lambda: answers(f"{url}/"), 120)
    old = A2A < (1, 0)
    role, parts = ("user", {"kind": "text"}) if old else ("ROLE_USER", {})
    method, headers = ("message/send", {}) if old else ("SendMessage", {"A2A-Version": "1.0"})

    def turn():
        message = {
            "role": role,
            "messageId": str(uuid.uuid4()),
            "parts": [{"text": "go", **parts}],
            "contextId": "c",
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}}
        return post(f"{url}/", body, headers)

    follows(launch, process, turn, server)


def test_opentelemetry_first_on_the_path_and_the_shim_behind_it(launch):
    """As the OpenTelemetry operator injects itself: its sitecustomize in front, and it does not chain."""
    import opentelemetry.instrumentation.auto_instrumentation as auto

    code = "import google.adk.runners as r; print('wrapped', hasattr(r.Runner.__init__, '__wrapped__'))"
    otel = Path(auto.__file__).parent
    assert (otel / "sitecustomize.py").exists()
    quiet = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    for path in ((otel, BOOTSTRAP), (BOOTSTRAP, otel)):
        process = launch(
            "-c",
            f"import sys; {code}; print('otel', 'opentelemetry.sdk' in sys.modules)",
            path=path,
            **quiet,
        )
        assert process.wait(120) == 0
        said = launch.out()
        assert said.splitlines()[-2:] == ["wrapped True", "otel True"], said
    assert [
        e for e in entry_points(group="console_scripts") if e.name == "opentelemetry-instrument"
    ]


def test_disabled_shim_hooks_no_function(launch):
    code = "import google.adk.runners as r; print(hasattr(r.Runner.__init__, '__wrapped__'))"
    process = launch("-c", code, HOTPEERS_DISABLE="1")
    assert process.wait(120) == 0
    assert launch.out().strip().endswith("False")


def test_changed_framework_runs_without_the_shim(launch):
    """Fail open: the hook finds no known class, the program continues, the ack names the reason."""
    fake = launch.folder / "agents/google/adk"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    (fake / "runners.py").write_text("class Executor: pass\n")
    process = launch(
        "-c",
        "import google.adk.runners, sys; print('runs', flush=True); sys.stdin.read()",
        path=(BOOTSTRAP, launch.folder / "agents"),
    )
    ack = until("the ack", lambda: (found := acked(launch.folder, process)).get("state") and found)
    assert ack["state"] == "error"
    assert "hooking google.adk.runners" in ack["message"]
    assert "runs" in launch.out()


MISSING = """
import google.adk.tools.tool_context as context
del context.ToolContext.request_confirmation
import sys
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from boss.agent import root_agent
Runner(app_name="app", agent=root_agent, session_service=InMemorySessionService())
sys.stdin.read()
"""


@pytest.mark.core
def test_a_feature_that_cannot_be_hooked_is_named_in_an_active_ack(launch):
    write(launch.folder, 1)
    process = launch("-c", "import sys; sys.path.insert(0, '.')" + MISSING)
    ack = until(
        "the ack", lambda: (found := acked(launch.folder, process)).get("refusals") and found
    )
    assert ack["state"] == "active"
    assert ack["generation"] == 1
    (refusal,) = ack["refusals"]
    assert (refusal["subject"], refusal["reason"]) == ("bound approvals", "FeatureMissing")
    assert "request_confirmation" in refusal["message"]
