"""Where hot configuration cannot work the agent runs as without it, and the ack says why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import KAGENT, lacks
from hot_agent import BOOTSTRAP, HotAgent, Servers

from kit.waiting import until

pytestmark = pytest.mark.skipif(not KAGENT, reason="plain ADK has no configuration of kagent's")
STANDIN = Path(__file__).with_name("standin")


@pytest.fixture(autouse=True)
def runtime():
    """These programs are separate processes: their imports decide about the runtime."""


OLD = """
import json, sys
from kagent.adk.types import AgentConfig
import kagent.adk, google.adk.runners
if len(sys.argv) > 2:
    config = AgentConfig.model_validate(json.load(open(sys.argv[1])))
    from google.adk.agents import LlmAgent
    from google.adk.sessions import InMemorySessionService
    agent = LlmAgent(name="mine", model="m", instruction=config.instruction)
    google.adk.runners.Runner(
        app_name="app", agent=agent, session_service=InMemorySessionService()
    )
print("runs", flush=True)
sys.stdin.read()
"""


def start(tmp_path, *arguments):
    folder = tmp_path / "config"
    folder.mkdir()
    config = {"model": {"type": "openai", "model": "m"}, "description": "d", "instruction": "i"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "agent-card.json").write_text("{}")
    (tmp_path / "peers.json").write_text('{"generation": 1, "peers": []}')
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
    environ |= {
        "PYTHONPATH": os.pathsep.join(map(str, (BOOTSTRAP, STANDIN))),
        "HOTPEERS_PEER_FILE": str(tmp_path / "peers.json"),
        "HOTPEERS_HOT_CONFIG": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return subprocess.Popen(
        [sys.executable, "-c", OLD, str(folder / "config.json"), *arguments],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def acked(tmp_path, process):
    path = tmp_path / f"acks/ack-{process.pid}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def ends(process):
    process.kill()
    process.communicate(timeout=10)


def test_an_agent_of_its_own_that_only_reads_the_configuration(tmp_path):
    """As `kagent-adk run`, where the same file happens to lie in the folder."""
    if "hot configuration" in lacks():
        pytest.skip("kagent 1.0 reads another configuration")
    process = start(tmp_path, "read")
    try:
        said = until(
            "a reason in the ack",
            lambda: (c := acked(tmp_path, process).get("config", {})).get("reason") and c,
        )
        assert (said["state"], said["reason"]) == ("refused", "FeatureMissing")
        assert process.stdout.readline() == "runs\n"
        assert acked(tmp_path, process)["state"] == "active"
    finally:
        ends(process)


def test_kagent_without_the_hooked_function_is_refused(tmp_path):
    if "hot configuration" not in lacks():
        pytest.skip("of kagent 1.0")
    process = start(tmp_path)
    try:
        said = until("the ack of the configuration", lambda: acked(tmp_path, process).get("config"))
        assert (said["state"], said["reason"]) == ("refused", "FeatureMissing")
        assert "AgentConfig.to_agent" in said["message"]
        assert process.stdout.readline() == "runs\n"
        assert acked(tmp_path, process)["state"] == "active"
    finally:
        ends(process)


BYO = """
from google.adk.agents import LlmAgent
root_agent = LlmAgent(name="mine", model="gemini-2.0-flash", instruction="of its own")
"""


def test_kagent_adk_run_serves_as_without(tmp_path):
    """A user's own agent: its code is its configuration."""
    if "hot configuration" in lacks():
        pytest.skip("of kagent 0.7 to 0.10")
    servers = Servers()
    agent = HotAgent(tmp_path, servers)
    try:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/__init__.py").write_text("from . import agent\n")
        (tmp_path / "mine/agent.py").write_text(BYO)
        (tmp_path / "mine/agent-card.json").write_text(json.dumps(agent.card))
        agent.start("run", "mine", "--working-dir", str(tmp_path), "--local")
        assert agent.acked() == {}
        assert until(
            "an active ack", lambda: acked(tmp_path, agent.process).get("state") == "active"
        )
    finally:
        agent.stop()
        servers.stop()
