"""Runtimes that the shim cannot work in: the agent runs as without it, and the reason can be seen.

Each is a real environment, locked in requirements/compat; `make compat` builds all, `make test` one.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hotpeers_shim.contract import Ack, AckState, load_ack
from kit.sidecars import Sidecar
from kit.waiting import until
from runtimes.environments import UNSUPPORTED, interpreter

PACKAGE = Path(find_spec("hotpeers_shim").origin).parent

AGENT = '''
import asyncio, sys
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types


def own() -> str:
    """The agent's own tool."""
    return "heard"


class Model(BaseLlm):
    model: str = "scripted"

    async def generate_content_async(self, llm_request, stream=False):
        names = [d.name for t in llm_request.config.tools or [] for d in t.function_declarations or []]
        last = llm_request.contents[-1].parts[-1]
        if last.function_response:
            part = types.Part(text=f"offered {names}, {last.function_response.response}")
        else:
            part = types.Part(function_call=types.FunctionCall(name="own", args={}))
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


async def main():
    sessions = InMemorySessionService()
    agent = LlmAgent(name="boss", model=Model(), tools=[own])
    runner = Runner(app_name="app", agent=agent, session_service=sessions)
    await sessions.create_session(app_name="app", user_id="u", session_id="s")
    message = types.Content(role="user", parts=[types.Part(text="go")])
    async for event in runner.run_async(user_id="u", session_id="s", new_message=message):
        for part in event.content.parts:
            if part.text:
                print(part.text)
    print("tools", len(agent.tools), type(agent.tools).__name__)
    print("wrapped", hasattr(Runner.__init__, "__wrapped__"), flush=True)


asyncio.run(main())
sys.stdin.read()
'''


class Program:
    """An agent's program with the shim on its path, or without; it waits at its end for `finish`."""

    def __init__(self, python, code, folder, *, path=(), **environ):
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("HOTPEERS", "PYTHON"))
        }
        inherited |= {"PYTHONPATH": os.pathsep.join(map(str, path)), **environ}
        self.errors = folder / "stderr"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [str(python), "-W", "ignore", "-c", code],
                env=inherited,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def finish(self):
        """Its stdout, and the lines on stderr that name hotpeers."""
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.errors.read_text()
        return out, [line for line in self.errors.read_text().splitlines() if "hotpeers" in line]


def read_ack(path):
    if not path.exists():
        return None
    ack = load_ack(path.read_bytes())
    assert isinstance(ack, Ack), ack
    return ack


@pytest.fixture(params=UNSUPPORTED)
def unsupported(request):
    python = interpreter(request.param)
    if not python.exists():
        pytest.skip(f"the environment {request.param} is not built: make compat builds it")
    return request.param, python


REASONS = {
    "no-a2a": "a2a-sdk is not installed",
    "adk-1.15": "google-adk 1.15.1 is older than 1.16",
    "python-3.10": "Python 3.10",
}


def test_agent_runs_unchanged_and_status_names_the_reason(unsupported, tmp_path):
    name, python = unsupported
    alone, _ = Program(python, AGENT, tmp_path).finish()
    sidecar = Sidecar(tmp_path)
    sidecar.peers.mkdir()
    sidecar.start("--source", "directory")
    program = Program(
        python,
        AGENT,
        tmp_path,
        path=[PACKAGE / "bootstrap"],
        HOTPEERS_PEER_FILE=str(sidecar.file),
    )
    try:
        said = until(
            "an ack of the state error",
            lambda: [a for a in sidecar.status()["acks"] if a["state"] == "error"],
        )
        shown = subprocess.run(
            [
                sys.executable,
                "-m",
                "hotpeers",
                "status",
                "--url",
                f"http://127.0.0.1:{sidecar.port}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout
        path = sidecar.acks / f"ack-{program.process.pid}.json"
        ack = read_ack(path)
        out, errors = program.finish()
    finally:
        program.process.kill()
        sidecar.stop()
    assert out == alone
    assert "wrapped False" in out
    assert [one["reason"] for one in said] == ["RuntimeUnsupported"]
    assert "RuntimeUnsupported" in shown
    assert ack.state == AckState.ERROR
    assert REASONS[name] in ack.message
    assert ack.runtime["python"]
    assert ack.generation is None
    assert len(errors) == 1
    assert errors[0].startswith("hotpeers: RuntimeUnsupported: ")
    assert REASONS[name] in errors[0]
    assert not path.exists()


FRAMEWORK = "import google.adk.runners, sys; print('runs', flush=True); sys.stdin.read()"


@pytest.fixture
def framework(tmp_path):
    """A framework of which the shim sees no more than that it is imported."""
    fake = tmp_path / "path/google/adk"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    (fake / "runners.py").write_text("class Runner: pass\n")
    return tmp_path / "path"


@pytest.mark.parametrize("missing", ["contract", "live.py", "unsupported.py"])
def test_a_copy_of_the_shim_that_lacks_a_part_does_not_stop_the_agent(tmp_path, framework, missing):
    copy = tmp_path / "hotpeers_shim"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns(missing, "__pycache__"))
    program = Program(
        sys.executable,
        FRAMEWORK,
        tmp_path,
        path=[copy / "bootstrap", framework],
        HOTPEERS_ACK_DIR=str(tmp_path / "acks"),
    )
    try:
        if missing != "unsupported.py":
            path = tmp_path / f"acks/ack-{program.process.pid}.json"
            ack = until("an ack", lambda: read_ack(path))
            assert (ack.state, ack.reason) == (AckState.ERROR, "ShimFailed")
            assert missing.removesuffix(".py") in ack.message
        out, errors = program.finish()
    finally:
        program.process.kill()
    assert out == "runs\n"
    assert len(errors) >= 1


def test_reason_is_printed_to_stderr_without_an_ack_folder(tmp_path, framework):
    """As in an image that has the shim on its path and no sidecar beside it."""
    copy = tmp_path / "hotpeers_shim"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("contract", "__pycache__"))
    program = Program(
        sys.executable,
        FRAMEWORK,
        tmp_path,
        path=[copy / "bootstrap", framework],
        HOTPEERS_PEER_FILE=str(tmp_path / "missing/run/peers.json"),
    )
    out, errors = program.finish()
    assert out == "runs\n"
    assert errors[0].startswith("hotpeers: ShimFailed: ")
    assert not (tmp_path / "missing").exists()


def test_the_versions_that_are_supported_are_those_of_the_matrix():
    from hotpeers_shim import unsupported
    from runtimes.environments import LOCKS

    pinned = {
        tuple(map(int, line.partition("==")[2].strip(" \\").split(".")[:2]))
        for path in LOCKS.glob("*.txt")
        if path.stem not in UNSUPPORTED
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("google-adk==")
    }
    assert min(pinned) == unsupported.OLDEST_ADK


def test_unsupported_module_writes_the_version_of_the_contract():
    from hotpeers_shim import contract, unsupported

    assert f'"{contract.API_VERSION}"' in Path(unsupported.__file__).read_text("utf-8")


def test_handwritten_ack_matches_the_contract(tmp_path):
    from hotpeers_shim import unsupported

    path = tmp_path / "acks" / "ack-1.json"
    unsupported._write(path, unsupported.RUNTIME_UNSUPPORTED, "Python 2 \u2026")
    assert set(json.loads(path.read_text())) <= {*Ack.__dataclass_fields__}
    assert read_ack(path).message == "Python 2 \u2026"
