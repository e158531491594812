"""An agent that gets its peers through the bridge: kagent's own runtime reads a merged configuration."""

from __future__ import annotations

import json

import psutil

from e2e.crew import orchestrator
from e2e.kagent import sub_agent
from e2e.release import Release
from e2e.stage import PEER_LABEL, Stage
from e2e.talk import Conversation
from kit.waiting import until

TOOLS = {"ask_agent", "list_agents", "get_answer"}


def ask(talk: Conversation, message: str) -> str:
    return talk.say(f"Call ask_agent with {json.dumps({'agent': 'weather', 'message': message})}")


def sidecar_process(orchestrator_name: str) -> psutil.Process | None:
    """The sidecar below the supervisor of one orchestrator's pod."""
    for process in psutil.process_iter():
        try:
            parent = process.parent()
            if parent is None or "hotpeers.supervisor" not in parent.cmdline():
                continue
            if process.environ().get("HOTPEERS_ORCHESTRATOR") == orchestrator_name:
                return process
        except psutil.Error:
            continue
    return None


def test_conversation_gains_and_loses_a_peer_through_the_bridge(
    stage: Stage, release: Release
) -> None:
    agent = orchestrator(stage, "bridged", **{"hotpeers.dev/bridge": "true"})
    pod = stage.start(agent)
    assert set(pod.containers) == {"kagent", "hotpeers"}
    talk = Conversation(f"http://{pod.address}:8080")
    stage.model.skip()
    assert "AgentUnknown" in ask(talk, "will it rain?")
    assert set(stage.model.requests()[0]["tools"]) - {"ask_user"} == TOOLS
    weather = sub_agent(stage.namespace, "weather", "It stays dry.", **{PEER_LABEL: "true"})
    stage.create(weather)
    stage.start_created(weather)
    until("the peer to answer", lambda: "It stays dry." in ask(talk, "will it rain?"), 60)

    running = sidecar_process(f"{stage.namespace}/bridged")
    assert running is not None
    running.kill()
    # The supervisor keeps the address: the next turn waits for the sidecar instead of failing.
    assert "It stays dry." in ask(talk, "and tomorrow?")

    stage.label(weather, **{PEER_LABEL: None})
    until("the peer to be gone", lambda: "AgentUnknown" in ask(talk, "will it rain?"), 60)
    now = stage.pod(agent)
    assert now.uid == pod.uid
    assert (now.restarts("kagent"), now.restarts("hotpeers")) == (0, 0)
