"""How long a pod takes to start and to end, with us and without, in turn."""

import time
from contextlib import suppress
from urllib.request import urlopen

from e2e.crew import INJECT
from e2e.kagent import Agent
from e2e.pods import Pod, list_pods, wait_until_gone
from e2e.release import Release
from e2e.stage import Stage
from e2e.timings import Timings
from kit.waiting import until

_ROUNDS = 3
_SECONDS = 120.0


def test_start_and_end_of_a_pod(release: Release, stage: Stage, timings: Timings) -> None:
    for number in range(_ROUNDS):
        plain = stage.agent(f"plain-{number}")
        injected = stage.agent(f"injected-{number}", annotations=INJECT)
        for kind, agent in (("plain", plain), ("injected", injected)):
            began = time.monotonic()
            stage.create(agent)
            pod = first_answer(stage, agent)
            timings.note(f"created → first answer, {kind}", time.monotonic() - began)
            stage.wait(agent)
            timings.note(f"created → Ready (kagent's probe), {kind}", time.monotonic() - began)
            assert len(pod.containers) == (2 if agent is injected else 1)
            began = time.monotonic()
            stage.api.delete(agent.manifest)
            wait_until_gone(stage.api, pod)
            timings.note(f"deleted → gone, {kind}", time.monotonic() - began)


def first_answer(stage: Stage, agent: Agent) -> Pod:
    """Wait until the agent itself answers, before any probe says so."""

    def probe() -> Pod | None:
        for pod in list_pods(stage.api, stage.namespace, agent.selector):
            url = f"http://{pod.address}:8080/.well-known/agent-card.json"
            with suppress(OSError):
                if pod.address and urlopen(url, timeout=1).status == 200:
                    return pod
        return None

    return until(f"an answer of {agent.name}", probe, _SECONDS)
