"""An orchestrator finds an agent in a registry, creates it, asks it and deletes it, while it runs."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from e2e.kagent import Agent
from e2e.offers import tool_name, wait_for_offer
from e2e.reconciler import Reconciler
from e2e.registry import Registry
from e2e.release import Release
from e2e.stage import make_stage
from e2e.team import LEAD, Dialogue, Team
from e2e.timings import Timings
from kit.node.node import Node

_TEMPLATE = "acme.translator"
_SECONDS = 60.0
_STAMPS = "hotpeers.dev/"


def stamps_of(agent: dict) -> dict[str, str]:
    annotations = agent["metadata"]["annotations"]
    return {
        key.removeprefix(_STAMPS): value
        for key, value in annotations.items()
        if key.startswith(_STAMPS)
    }


def wait_for_agent(talk: Dialogue, name: str) -> dict:
    """As a model does: ask again as long as the tool says so."""
    deadline = time.monotonic() + _SECONDS
    while not (waited := talk.use("wait_for_agent", name=name))["done"]:
        assert time.monotonic() < deadline, waited
    return waited


def test_one_conversation_from_search_to_deletion(
    node: Node, release: Release, registry: Registry, reconciler: Reconciler, timings: Timings
) -> None:
    # kagent's own probe here, so that the times are those of a cluster.
    team = Team.start(make_stage(node.api, "flow"), reconciler, quick=False)
    stage, talk, name = team.stage, team.talk(), "helper-translator"
    spawned = Agent(stage.namespace, name)

    began = time.time()
    found = talk.use("search_agents_agentregistry", query="translate a document")
    assert found["hits"][0]["name"] == _TEMPLATE
    timings.note("spawning: a turn that searches", time.time() - began)
    named = "<hits.0.name of search_agents_agentregistry>"
    spec = talk.use("get_agent_spec", name=named)
    assert spec["instructions"].startswith("You translate.")
    rendered = talk.use("render_agent_manifest", name=named, agent_name=name, model="scripted")
    assert team.agents() == {LEAD}

    began = time.time()
    applied = talk.use("k8s_apply_manifest", manifest="<manifest of render_agent_manifest>")
    admitted = time.time()
    assert applied["created"] is True
    timings.note("spawning: a turn that applies", admitted - began)
    agent = team.read(name)
    check_stamps(agent, team, applied["stamps"], rendered["template_digest"])

    stage.model.skip()
    waited = wait_for_agent(talk, name)
    first = next(
        one["time"] for one in stage.model.requests() if tool_name(spawned) in one["tools"]
    )
    ready = reconciler.ready_at(agent)
    assert waited["tool_name"] == tool_name(spawned)
    # How long exactly is noted; in the same turn it is, on a busy machine too.
    assert first - ready <= 10.0
    timings.note("spawning: admitted → pod ready (kagent's probe)", ready - admitted)
    timings.note("spawning: pod ready → offered in the same turn", first - ready)
    timings.note("spawning: apply asked for → offered", first - began)

    assert "Bonjour." in talk.say(f"Ask {name}: how do I say hello in French?")
    (listed,) = talk.use("list_spawned_agents")["agents"]
    assert (listed["name"], listed["stamps"]) == (name, applied["stamps"])

    began = time.time()
    assert talk.use("delete_spawned_agent", name=name)["deleted"] is True
    gone = wait_for_offer(stage, talk.conversation, [])
    timings.note("spawning: deletion asked for → not offered", gone - began)
    team.wait_until_gone(name)
    timings.note("spawning: deletion asked for → nothing is left", time.time() - began)
    assert talk.use("list_spawned_agents")["agents"] == []
    team.check_undisturbed()


def check_stamps(agent: dict, team: Team, told: dict[str, str], digest: str) -> None:
    """Checks all stamps of the agent. None comes from the request."""
    lead = team.read(LEAD)["metadata"]
    namespace = team.stage.namespace
    stamps = stamps_of(agent)
    expires = datetime.fromisoformat(stamps.pop("expires-at"))
    assert 1700 < (expires - datetime.now(UTC)).total_seconds() <= 1800
    assert stamps == {
        "spawned-by": f"{namespace}/{LEAD}",
        "spawned-by-serviceaccount": f"{namespace}/{LEAD}",
        "spawned-by-uid": lead["uid"],
        "depth": "1",
        "policy": f"{namespace}/helpers",
        "template": f"registry:{_TEMPLATE}@latest",
        "template-digest": digest,
    }
    assert told == stamps_of(agent)
    assert agent["metadata"]["labels"] == {
        "hotpeers.dev/peer": "true",
        "hotpeers.dev/spawned": "true",
    }
    assert [one["uid"] for one in agent["metadata"]["ownerReferences"]] == [lead["uid"]]


def test_model_corrects_a_denied_manifest(team: Team) -> None:
    talk, name = team.talk(), "helper-mended"
    talk.use("render_agent_manifest", name=_TEMPLATE, agent_name=name, model="gpt-large")
    denied = talk.use("k8s_apply_manifest", manifest="<manifest of render_agent_manifest>")
    assert denied["reason"] == "AdmissionDenied"
    assert name not in team.agents()
    found = re.search(
        r'spec\.declarative\.modelConfig: "gpt-large" is not allowed \(ModelNotAllowed\);'
        r" allowed: ([\w-]+)",
        denied["message"],
    )
    assert found is not None, denied
    talk.use("render_agent_manifest", name=_TEMPLATE, agent_name=name, model=found[1])
    applied = talk.use("k8s_apply_manifest", manifest="<manifest of render_agent_manifest>")
    assert applied["created"] is True
    assert talk.use("delete_spawned_agent", name=name)["deleted"] is True
    team.wait_until_gone(name, pods=False)


def test_ephemeral_agent_answers_and_is_deleted(team: Team, timings: Timings) -> None:
    talk = team.talk()
    began = time.time()
    ran = talk.use(
        "run_ephemeral_agent",
        message="How do I say hello in French?",
        name=_TEMPLATE,
        agent_name="helper-once",
        model="scripted",
        timeout_seconds=50,
    )
    timings.note("spawning: an agent for one question (quick probe)", time.time() - began)
    assert (ran["state"], ran["answer"], ran["deleted"]) == ("completed", "Bonjour.", True)
    assert ran["name"].startswith("helper-once-")
    team.wait_until_gone(ran["name"])
    wait_for_offer(team.stage, talk.conversation, [])
    team.check_undisturbed()
