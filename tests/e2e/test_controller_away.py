"""No controller, and another controller: pods start all the same."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from e2e.crew import INJECT, Crew
from e2e.idle import idle_pod, is_injected
from e2e.kagent import sub_agent
from e2e.offers import offered
from e2e.release import Release
from e2e.stage import Stage
from e2e.timings import Timings
from kit.node.node import Node
from kit.waiting import until

_PODS = 50
_PACE = 0.1
_SECONDS = 60.0


@pytest.fixture
def no_controller(release: Release) -> Iterator[None]:
    release.scale(0)
    yield
    release.scale(2)


def test_pods_start_while_the_controller_is_down(
    crew: Crew, no_controller: None, stage: Stage, timings: Timings
) -> None:
    annotated = replace(sub_agent(stage.namespace, "annotated", "Here."), annotations=INJECT)
    plain = sub_agent(stage.namespace, "plain", "Here too.")
    stage.create(annotated)
    stage.create(plain)
    assert list(stage.start_created(annotated).containers) == ["kagent"]
    stage.start_created(plain)
    began = time.monotonic()
    stage.api.create(idle_pod(stage.namespace, "one", INJECT))
    timings.note("controller down: an annotated pod is created", time.monotonic() - began)
    # Orchestrators that run do not need it either.
    assert offered(crew.stage, crew.talk(crew.first)) == set()
    crew.check_undisturbed(crew.first)


@pytest.fixture
def frozen_controller(node: Node, release: Release) -> Iterator[None]:
    containers = [pod.containers["controller"]["containerID"] for pod in release.pods()]
    for one in containers:
        node.runtime.pause(one)
    yield
    for one in containers:
        node.runtime.resume(one)


def test_pods_are_created_while_the_controller_hangs(
    stage: Stage, frozen_controller: None, timings: Timings
) -> None:
    began = time.monotonic()
    pod = stage.api.create(idle_pod(stage.namespace, "one", INJECT))
    # It is still in its Service, and takes connections that it does not answer.
    timings.note("controller hangs: an annotated pod is created", time.monotonic() - began)
    assert not is_injected(pod)


def test_no_pod_is_refused_while_the_controller_is_upgraded(
    release: Release, stage: Stage, timings: Timings
) -> None:
    before = uids(release)
    release.upgrade(upgraded=str(time.time()))
    replaced = threading.Event()

    def wait() -> None:
        release.wait()
        until("the old ones to have gone", lambda: not before & uids(release), _SECONDS)
        replaced.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    made = []
    # At least as many as asked for, and until the last old controller has gone.
    while len(made) < _PODS or not replaced.is_set():
        made.append(stage.api.create(idle_pod(stage.namespace, f"pod-{len(made)}", INJECT)))
        replaced.wait(_PACE) if len(made) < _PODS else replaced.wait(1.0)
    waiting.join()
    injected = sum(map(is_injected, made))
    timings.note("pods created while the controller is upgraded", len(made))
    timings.note("… of them injected", injected)
    assert injected == len(made)


def uids(release: Release) -> set[str]:
    return {pod.uid for pod in release.pods()}
