"""Holds of rollouts: a rotated Secret, and several replicas."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.client import ApiError, Object
from cluster.processes import TookTooLongError, until
from e2e.backing import MODEL_URL
from e2e.crew import INJECT
from e2e.kagent import SCRIPTED, Agent
from e2e.pods import Pod, describe, list_pods
from e2e.reconciler import Reconciler
from e2e.release import NAMESPACE as SYSTEM
from e2e.release import Release
from e2e.site import QUICK_PROBE, Site
from e2e.stage import Stage, make_stage
from e2e.talk import get
from e2e.timings import Timings
from node.node import Node

HOT = {**INJECT, "hotpeers.dev/hot-config": "true"}
HELD, HELD_HASH = "hotpeers.dev/held", "hotpeers.dev/held-config-hash"
_SECONDS = 90.0


@dataclass
class Held:
    """Agents that kagent's controller sees to, in a namespace of their own."""

    stage: Stage
    reconciler: Reconciler

    def start(self, name: str, replicas: int = 1) -> Agent:
        """An orchestrator that follows its configuration; wait until all of its pods are ready."""
        agent = Agent(self.stage.namespace, name, annotations=HOT)
        manifest = agent.manifest
        manifest["spec"]["declarative"]["deployment"]["replicas"] = replicas
        self.stage.api.create(manifest)
        until("its pods", lambda: len(self.pods(agent)) == replicas or None, _SECONDS)
        self.stage.wait_until_served(agent)
        return agent

    def edit(self, agent: Agent, **declarative: Any) -> None:
        """Change fields of the Agent's definition."""
        self.stage.api.patch(agent.manifest, {"spec": {"declarative": declarative}})

    def answer(self, agent: Agent, says: str) -> None:
        """Have it answer every question with these words; wait until that is held, and live."""
        before = self.wanted(agent)
        self.edit(agent, systemMessage=f"Answer every question with: {says}")
        self.wait("the hold", agent, lambda: self.wanted(agent) not in ("", before))
        self.wait_until_live(agent)

    def pods(self, agent: Agent) -> list[Pod]:
        """Its pods that are ready and stay."""
        found = list_pods(self.stage.api, self.stage.namespace, agent.selector)
        return sorted((pod for pod in found if pod.is_ready), key=lambda pod: pod.name)

    def deployment(self, agent: Agent) -> Object:
        place = {"name": agent.name, "namespace": agent.namespace}
        return self.stage.api.read(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": place}
        )

    def wanted(self, agent: Agent) -> str:
        """The hash that is held back, "" where none is."""
        metadata = self.deployment(agent)["metadata"]
        marked = (metadata.get("labels") or {}).get(HELD) == "true"
        return str(metadata["annotations"][HELD_HASH]) if marked else ""

    def wait(self, what: str, agent: Agent, probe: Callable[[], Any]) -> None:
        """Wait; what a person would look at comes with the failure."""
        try:
            until(what, lambda: probe() or None, _SECONDS)
        except TookTooLongError as error:
            raise AssertionError(f"{error}: {self.story(agent)}") from error

    def story(self, agent: Agent) -> str:
        """What a person would look at."""
        logs = describe(self.stage.api, agent.namespace), describe(self.stage.api, SYSTEM)
        return "\n".join([str(self.deployment(agent)["metadata"]), *logs])

    def wait_until_live(self, agent: Agent) -> None:
        """Wait until every pod has the configuration that is held back."""
        self.wait("it to be live", agent, lambda: self._states(agent) == {"live"})

    def _states(self, agent: Agent) -> set[str]:
        wanted = self.wanted(agent)
        answers = [_config(pod) for pod in self.pods(agent)]
        return {
            str(one["state"]) if one.get("hash") == wanted else "another" for one in answers
        } or {"none"}

    def says(self, agent: Agent) -> str:
        return self.stage.talk(agent).say("Who are you?")

    def events(self, agent: Agent) -> set[str]:
        """The reasons of the Events on the Agent."""
        found = self.stage.api.list("v1", "Event", agent.namespace)["items"]
        return {one["reason"] for one in found if one["involvedObject"]["name"] == agent.name}


def _config(pod: Pod) -> dict[str, Any]:
    with suppress(OSError):  # it may have been started a moment ago
        for ack in get(f"http://{pod.address}:8090/status")["acks"]:
            return dict(ack.get("config") or {})
    return {}


@pytest.fixture(scope="module")
def held(node: Node, reconciler: Reconciler, chart_release: Release) -> Iterator[Held]:
    chart_release.install()
    stage = make_stage(node.api, "held")
    stage.api.create(_secret(stage.namespace, "first"))
    model = stage.api.create(_model(stage.namespace))
    reconciler.follow(stage.namespace, Site(probe=QUICK_PROBE))
    # Until then it is not in the hash of an Agent, which would roll once it is.
    until("its secretHash", lambda: _has_hash(stage.api.read(model)), _SECONDS)
    yield Held(stage, reconciler)
    reconciler.leave(stage.namespace)
    node.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}")


def _model(namespace: str) -> Object:
    spec = {
        "model": SCRIPTED,
        "apiKeySecret": "key",
        "apiKeySecretKey": "KEY",
        "openAI": {"baseUrl": f"{MODEL_URL}/v1"},
    }
    place = {"name": SCRIPTED, "namespace": namespace}
    version = "kagent.dev/v1alpha2"
    return {"apiVersion": version, "kind": "ModelConfig", "metadata": place, "spec": spec}


def _has_hash(model: Object) -> bool | None:
    return bool(model.get("status", {}).get("secretHash")) or None


def _secret(namespace: str, key: str) -> Object:
    place = {"name": "key", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": place, "stringData": {"KEY": key}}


def test_rotated_secret_rolls(held: Held) -> None:
    """It reaches a process as its environment, which no running one can change."""
    agent = held.start("hot")
    held.answer(agent, "I am new.")
    (pod,) = held.pods(agent)
    held.stage.api.patch(_secret(agent.namespace, ""), {"stringData": {"KEY": "second"}})
    held.wait("another pod", agent, lambda: _replaced(held, agent, pod))
    held.wait("no hold", agent, lambda: not held.wanted(agent))
    assert "I am new." in held.says(agent)
    assert "HoldReleased" in held.events(agent)


def _replaced(held: Held, agent: Agent, pod: Pod) -> bool:
    return [one.uid for one in held.pods(agent)] not in ([], [pod.uid])


def test_two_replicas_follow_together(held: Held, timings: Timings) -> None:
    agent = held.start("twins", replicas=2)
    before = {pod.uid for pod in held.pods(agent)}
    began = time.monotonic()
    held.answer(agent, "We are two.")
    timings.note("a changed Agent → both replicas have proven it", time.monotonic() - began)
    assert {pod.uid for pod in held.pods(agent)} == before
    assert {pod.restarts("kagent") for pod in held.pods(agent)} == {0}
    with suppress(ApiError):
        held.stage.api.delete(agent.manifest)


def test_without_our_controller_kagent_rolls_and_marks_go_once_it_is_back(
    held: Held, release: Release
) -> None:
    """The webhook fails open: what is held is a debt, which kagent's next write collects."""
    agent = held.start("left")
    held.answer(agent, "I am held.")
    (pod,) = held.pods(agent)
    release.scale(0)
    try:
        held.edit(agent, systemMessage="Answer every question with: I was rolled.")
        held.wait("another pod", agent, lambda: _replaced(held, agent, pod))
        held.stage.wait_until_served(agent)
        held.wait("its answer", agent, lambda: "I was rolled." in held.says(agent))
        assert held.wanted(agent), "nobody is there to take the marks away"
    finally:
        release.scale(2)
    held.wait("no marks", agent, lambda: not held.wanted(agent))
    held.stage.api.delete(agent.manifest)
