"""An orchestrator is replaced or deleted while turns are in flight: they end before its pod does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from e2e.crew import INJECT
from e2e.kagent import QUICK_PROBE, Agent
from e2e.pods import Pod, list_pods, wait_for_pod, wait_until_gone
from e2e.release import Release
from e2e.slow_model import slow_model
from e2e.stage import Stage, make_stage
from e2e.talk import get
from e2e.timings import Timings
from e2e.traffic import Traffic, traffic
from kit.apiserver.client import Object
from kit.node.node import Node
from kit.waiting import until_async

_SECONDS = 120.0
DRAIN = "hotpeers.dev/drain-seconds"


@dataclass
class Cast:
    """Agents that run: each says how long its turns are waited for."""

    stage: Stage
    agents: dict[str, Agent]

    def url(self, name: str) -> str:
        return self.stage.url(self.agents[name])

    def pod(self, name: str) -> Pod:
        return self.stage.pod(self.agents[name])

    def deployment(self, agent: Agent) -> Object:
        uid = self.stage.api.read(agent.manifest)["metadata"]["uid"]
        return agent.objects(uid)[-1]


@pytest.fixture(scope="module")
def cast(node: Node, servers: None, chart_release: Release) -> Iterator[Cast]:
    chart_release.install()
    stage = make_stage(node.api, "drained")
    waits = {"usual": "", "short": "8", "off": "0", "alone": "1"}
    with slow_model() as url:
        agents = {}
        for name, seconds in waits.items():
            annotations = {**INJECT, **({DRAIN: seconds} if seconds else {})}
            agent = Agent(
                stage.namespace, name, annotations=annotations, model_url=url, probe=QUICK_PROBE
            )
            stage.create(agent)
            agents[name] = agent
        for agent in agents.values():
            stage.start_created(agent)
            stage.wait_until_served(agent)
        yield Cast(stage, agents)
    node.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}")


async def until_active(pod: Pod, wanted: int) -> None:
    """Wait until the pod's sidecar knows of that many turns."""

    def probe() -> bool:
        with suppress(OSError):  # it may have been started a moment ago
            return get(f"http://{pod.address}:8090/status")["turns"]["active"] >= wanted
        return False

    await until_async(f"{wanted} turns in flight", probe, _SECONDS)


def test_pod_is_given_the_time_that_its_turns_take(cast: Cast) -> None:
    expected = {"usual": 330, "short": 38, "off": 30, "alone": 31}
    for name, seconds in expected.items():
        spec = cast.pod(name).manifest["spec"]
        assert spec["terminationGracePeriodSeconds"] == seconds
        (container,) = spec["containers"]
        hook = (container.get("lifecycle") or {}).get("preStop")
        assert (hook is None) == (name == "off")


async def test_turn_is_active_until_its_background_work_ends(cast: Cast) -> None:
    pod = cast.pod("alone")
    async with traffic(cast.url("alone")) as found:
        answer = await found.begin(3)
        assert answer["result"]["status"]["state"] in {"submitted", "working"}
        await until_active(pod, 1)
    status = f"http://{pod.address}:8090/status"
    await until_async("the turn to end", lambda: not get(status)["turns"]["active"], _SECONDS)


async def test_rollout_neither_cuts_nor_refuses_a_turn(cast: Cast, timings: Timings) -> None:
    agent, old = cast.agents["usual"], cast.pod("usual")
    async with traffic(cast.url("usual")) as busy, traffic(cast.url("usual")) as open_turns:
        stop = asyncio.Event()
        crowd = [asyncio.create_task(busy.keep_taking(stop)) for _ in range(2)]
        turns = start_turns(open_turns, 20, 70)
        await until_active(old, len(turns))
        began = time.monotonic()
        changed = replace(agent, env={"CHANGED": "yes"})
        await asyncio.to_thread(cast.stage.api.apply, cast.deployment(changed))
        await until_async("another pod", lambda: cast.pod("usual").uid != old.uid, _SECONDS)
        await asyncio.gather(*turns)
        await asyncio.to_thread(wait_until_gone, cast.stage.api, old, _SECONDS)
        timings.note("rollout → old pod gone, turns of 70 s", time.monotonic() - began)
        stop.set()
        await asyncio.gather(*crowd)
    assert open_turns.failed == []
    assert busy.failed == []
    assert len(busy.turns) > 100


def start_turns(open_turns: Traffic, *lengths: float) -> list[asyncio.Task[Any]]:
    """Begin turns of these lengths, two ways each."""
    methods = ("message/send", "message/stream")
    return [
        asyncio.create_task(open_turns.take(method, seconds))
        for method in methods
        for seconds in lengths
    ]


async def test_bound_ends_a_turn_that_takes_longer(cast: Cast, timings: Timings) -> None:
    old = cast.pod("short")
    async with traffic(cast.url("short")) as found:
        turn = asyncio.create_task(found.take("message/stream", 14))
        await until_active(old, 1)
        began = time.monotonic()
        await asyncio.to_thread(cast.stage.api.delete, old.reference)
        await turn
        took = time.monotonic() - began
    assert found.failed
    # The bound itself, and the time that the agent takes to end the stream.
    assert 8 <= took < 13
    timings.note("bound of 8 s: deleted → the stream is cut", took)


async def test_drain_of_zero_seconds_is_disabled(cast: Cast, timings: Timings) -> None:
    old = cast.pod("off")
    async with traffic(cast.url("off")) as found:
        turn = asyncio.create_task(found.take("message/stream", 14))
        await until_active(old, 1)
        began = time.monotonic()
        await asyncio.to_thread(cast.stage.api.delete, old.reference)
        await turn
        timings.note("no drain: deleted → the stream is cut", time.monotonic() - began)
    assert found.failed
    assert time.monotonic() - began < 5


async def test_pod_with_a_crashed_sidecar_ends_in_time(
    node: Node, cast: Cast, timings: Timings
) -> None:
    stage, agent = cast.stage, cast.agents["alone"]
    node.runtime.kill(cast.pod("alone").containers["hotpeers"]["containerID"])

    def is_back(pod: Pod) -> bool:
        return pod.restarts("hotpeers") == 1 and pod.is_ready

    old = await asyncio.to_thread(wait_for_pod, stage.api, stage.namespace, agent.selector, is_back)
    async with traffic(f"http://{old.address}:8080") as found:
        turn = asyncio.create_task(found.take("message/stream", 15))
        await until_active(old, 1)
        # The second time kubelet waits before it starts it again.
        node.runtime.kill(old.containers["hotpeers"]["containerID"])
        began = time.monotonic()
        await asyncio.to_thread(stage.api.delete, old.reference)
        cut = await turn
        await asyncio.to_thread(wait_until_gone, stage.api, old)
    timings.note("sidecar crashed: deleted → gone", time.monotonic() - began)
    # As without hotpeers: the stream is cut at once, and kagent ends by its grace period.
    assert cut.failure
    assert cut.took < 10
    assert time.monotonic() - began < 31 + 10


def test_idle_pod_ends_quickly(cast: Cast, timings: Timings) -> None:
    agent = cast.agents["short"]
    cast.stage.wait(agent)
    pod = cast.pod("short")
    began = time.monotonic()
    cast.stage.api.delete(pod.reference)
    wait_until_gone(cast.stage.api, pod)
    took = time.monotonic() - began
    timings.note("idle: deleted → gone", took)
    # It ends by itself: kubelet would kill it after 31 s and its bound.
    assert took < 30
    assert all(one.uid != pod.uid for one in list_pods(cast.stage.api, cast.stage.namespace, {}))
