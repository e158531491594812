"""Another webhook puts its own folder on PYTHONPATH, as OpenTelemetry's operator does."""

from collections.abc import Iterator

import pytest

from e2e.crew import Crew, orchestrator
from e2e.offers import wait_for_offer
from e2e.other import FOLDER, OtherInjector
from e2e.pods import Pod
from e2e.release import Release
from e2e.stage import Stage
from kit.node.node import Node

_LOOK = (
    "import sys; print('opentelemetry.instrumentation.auto_instrumentation' in sys.modules,"
    " any(name.startswith('hotpeers') for name in sys.modules))"
)


@pytest.fixture
def other(node: Node, stage: Stage) -> Iterator[OtherInjector]:
    running = OtherInjector(node, stage.namespace)
    yield running
    running.close()


@pytest.mark.parametrize("name", ["a-telemetry", "z-telemetry"])
def test_both_injectors_load_in_either_order(
    release: Release, node: Node, stage: Stage, other: OtherInjector, name: str
) -> None:
    # The API server calls webhooks in the order of their names.
    other.register(name)
    agent = orchestrator(stage)
    pod = stage.start(agent)
    path = python_path(pod)
    assert FOLDER in path
    assert "/opt/hotpeers/hotpeers_shim/bootstrap" in path
    container = pod.containers["kagent"]["containerID"]
    python = "/.kagent/.venv/bin/python"
    assert node.runtime.run(container, python, "-c", _LOOK).split() == ["True", "True"]
    crew = Crew(stage, agent, agent, agent, {agent.name: pod})
    with crew.peer("weather", "It stays dry.") as weather:
        wait_for_offer(stage, stage.talk(agent), [weather])


def python_path(pod: Pod) -> list[str]:
    (agent,) = [one for one in pod.manifest["spec"]["containers"] if one["name"] == "kagent"]
    return next(one["value"] for one in agent["env"] if one["name"] == "PYTHONPATH").split(":")
