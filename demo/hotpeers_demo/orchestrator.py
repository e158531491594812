"""The orchestrators: real, unmodified agents, each with its own interpreter and libraries."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotpeers_demo.outcome import CannotStartError
from hotpeers_demo.serving import HOST

NAME = "orchestrator"
NAMESPACE = "demo"
_INSTRUCTION = (
    "You answer by asking the agents that you have as tools. When the user names an agent, call"
    " its tool with the user's question, word for word, and then repeat its answer. When you have"
    " no such agent, say so. Use no agent that the user does not name."
)
_ASK_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""
_ADK_AGENT = """\
# An agent as its author would write it, without any reference to hotpeers.
import os

from google.adk.a2a.utils.agent_to_a2a import to_a2a
from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm

root_agent = LlmAgent(
    name="orchestrator",
    description="Asks other agents.",
    instruction=os.environ["DEMO_INSTRUCTION"],
    model=LiteLlm(
        model="openai/" + os.environ["DEMO_MODEL"], api_base=os.environ["OPENAI_BASE_URL"]
    ),
)
app = to_a2a(root_agent, host="127.0.0.1", port=int(os.environ["DEMO_PORT"]))
"""


@dataclass(frozen=True)
class Runtime:
    """A kind of orchestrator: the packages that it needs, and the requirements to install them."""

    name: str
    packages: tuple[str, ...]
    requirement: str


@dataclass(frozen=True)
class Launch:
    """How to start one orchestrator."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    url: str


RUNTIMES = {
    "kagent": Runtime(
        "kagent", ("kagent-adk", "google-adk", "a2a-sdk"), "'kagent-adk==0.10.4' 'a2a-sdk<1'"
    ),
    "adk": Runtime(
        "adk",
        # litellm 1.106 imports mcp for each request with tools.
        ("google-adk", "litellm", "mcp", "uvicorn", "a2a-sdk"),
        "'google-adk==2.13.0' 'a2a-sdk[http-server]==1.3.0' 'litellm[mcp]' uvicorn",
    ),
}


def find_python(runtime: Runtime, wanted: str | None) -> tuple[str, dict[str, str]]:
    """Return an interpreter that has the runtime, and the versions of its packages.

    Raises `CannotStartError`.
    """
    local = Path(".venvs") / runtime.name / "bin" / "python"
    # Do not resolve the link: an interpreter finds its environment by the path of the link.
    python = wanted or (str(local.absolute()) if local.exists() else sys.executable)
    versions = _versions(python, runtime)
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        raise CannotStartError(
            f"{python} lacks {' and '.join(missing)}; in a checkout run: make setup; elsewhere:"
            f" uv pip install --python {python} {runtime.requirement}"
        )
    return python, {name: str(version) for name, version in versions.items()}


def launch_kagent(
    python: str, folder: Path, model: str, model_url: str, controller_url: str
) -> Launch:
    """Prepare `kagent-adk static` with a configuration like that of kagent's controller."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    write_kagent_configuration(folder, model, model_url, url)
    command = (python, "-m", "kagent.adk.cli", "static", "--filepath", str(folder))
    env = {"KAGENT_URL": controller_url, "KAGENT_NAME": NAME, "KAGENT_NAMESPACE": NAMESPACE}
    return Launch((*command, "--host", HOST, "--port", str(port)), env, url)


def write_kagent_configuration(folder: Path, model: str, model_url: str, url: str) -> None:
    """Write the two files that `kagent-adk static` reads. `url` is the address of the agent."""
    config = {
        "model": {"type": "openai", "model": model, "base_url": model_url},
        "description": "Asks other agents.",
        "instruction": _INSTRUCTION,
        "stream": False,
    }
    card = {
        "name": NAME,
        "description": "Asks other agents.",
        "url": url,
        "version": "1.0.0",
        "protocolVersion": "0.3.0",
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text"],
        "defaultOutputModes": ["text"],
        "skills": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "agent-card.json").write_text(json.dumps(card, indent=2))


def launch_adk(python: str, folder: Path, model: str, model_url: str) -> Launch:
    """Prepare an agent of plain ADK, served over A2A by `to_a2a` under uvicorn."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "demo_agent.py").write_text(_ADK_AGENT)
    env = {
        "DEMO_INSTRUCTION": _INSTRUCTION,
        "DEMO_MODEL": model,
        "DEMO_PORT": str(port),
        "OPENAI_BASE_URL": model_url,
        # Otherwise litellm downloads a list of prices while it is imported.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    command = (python, "-m", "uvicorn", "demo_agent:app", "--app-dir", str(folder))
    return Launch((*command, "--host", HOST, "--port", str(port)), env, f"http://{HOST}:{port}")


def free_port() -> int:
    """Return a port that is free now, for a program that cannot choose one itself."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _versions(python: str, runtime: Runtime) -> dict[str, str | None]:
    try:
        done = subprocess.run(
            [python, "-c", _ASK_VERSIONS, *runtime.packages],
            capture_output=True,
            check=True,
            timeout=120,
        )
        versions: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise CannotStartError(
            f"{python} is not a working Python ({error}); name another with --agent-python"
        ) from error
    return versions
