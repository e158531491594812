"""The hook by which a sidecar copies the shim, before the agent starts."""

import json
from contextlib import suppress
from dataclasses import replace
from urllib.request import urlopen

from e2e.crew import INJECT, Crew, orchestrator
from e2e.kagent import sub_agent
from e2e.pods import Pod, read_log, wait_for_pod
from e2e.release import Release
from e2e.stage import Stage
from kit.apiserver.client import Object
from kit.node.node import Node
from kit.node.python import PYTHON
from kit.waiting import until

_SECONDS = 60.0
# When the folder of the shim was last changed, and when the agent was started: to a hundredth.
_TIMES = (
    "import os, time; ticks = open('/proc/1/stat').read().rpartition(')')[2].split()[19];"
    "up = float(open('/proc/uptime').read().split()[0]);"
    "print(os.stat('/opt/hotpeers').st_mtime,"
    " time.time() - up + int(ticks) / os.sysconf('SC_CLK_TCK'))"
)


def test_shim_is_complete_before_the_agent_starts(node: Node, crew: Crew) -> None:
    for agent in (crew.first, crew.second):
        container = crew.stage.pod(agent).containers["kagent"]["containerID"]
        copied, started = map(float, node.runtime.run(container, PYTHON, "-c", _TIMES).split())
        assert copied < started + 0.02


def test_restarted_sidecar_does_not_change_the_shim(node: Node, crew: Crew) -> None:
    pod = crew.stage.pod(crew.second)
    container = pod.containers["kagent"]["containerID"]
    look = "import os; print(os.stat('/opt/hotpeers').st_mtime_ns)"
    before = node.runtime.run(container, PYTHON, "-c", look)
    node.runtime.kill(pod.containers["hotpeers"]["containerID"])
    count = pod.restarts("hotpeers") + 1

    def is_back() -> bool:
        now = crew.stage.pod(crew.second)
        return now.restarts("hotpeers") == count and now.is_ready

    until("the sidecar to be back", is_back, _SECONDS)
    # kubelet counts a container as running once its hook has ended.
    assert node.runtime.run(container, PYTHON, "-c", look) == before


def test_agent_starts_where_the_shim_finds_no_room(release: Release, stage: Stage) -> None:
    agent = orchestrator(stage, "crowded")
    created = stage.api.create(agent.manifest)
    *others, deployment = agent.objects(created["metadata"]["uid"])
    _leave_no_room(deployment)
    for one in (*others, deployment):
        stage.api.create(one)
    pod = stage.wait(agent)
    assert [pod.restarts(name) for name in pod.containers] == [0, 0]
    (line,) = [
        one for one in read_log(stage.api, pod, "hotpeers").splitlines() if one.startswith("error:")
    ]
    assert "No space left on device" in line
    until("ShimNotInstalled in the status", lambda: "ShimNotInstalled" in _problems(pod), _SECONDS)


def test_owner_is_warned_of_an_agent_that_cannot_load_the_shim(
    release: Release, stage: Stage
) -> None:
    """A Python program without google-adk: nothing of its pod says beforehand that it cannot."""
    made = sub_agent(stage.namespace, "stranger", "Hello.")
    agent = replace(made, annotations=INJECT)
    created = stage.create(agent)
    pod = stage.wait(agent)
    assert {"hotpeers", "kagent"} <= set(pod.containers)
    until("ShimNotLoaded in the status", lambda: "ShimNotLoaded" in _problems(pod), _SECONDS)

    def reported() -> list[Object]:
        events = stage.api.list("v1", "Event", stage.namespace)["items"]
        return [one for one in events if one["reason"] == "ShimNotLoaded"]

    (event,) = until("the Event on the Agent", reported, _SECONDS)
    assert event["involvedObject"]["uid"] == created["metadata"]["uid"]
    # Its annotation is taken away; on the Deployment it stays, as kagent leaves it.
    agent_now = {"spec": {"byo": {"deployment": {"annotations": {"hotpeers.dev/inject": None}}}}}
    stage.api.patch(agent.manifest, agent_now)
    stage.api.delete(pod.reference, gracePeriodSeconds=0)
    after = wait_for_pod(
        stage.api,
        stage.namespace,
        agent.selector,
        lambda found: found.uid != pod.uid and found.is_ready,
    )
    assert list(after.containers) == ["kagent"]
    assert "hotpeers.dev/inject" not in after.annotations


def _leave_no_room(deployment: Object) -> None:
    volume = {"name": "hotpeers-shim", "emptyDir": {"medium": "Memory", "sizeLimit": "4Ki"}}
    deployment["spec"]["template"]["spec"]["volumes"].append(volume)


def _problems(pod: Pod) -> list[str]:
    with suppress(OSError), urlopen(f"http://{pod.address}:8090/status", timeout=5) as answer:
        return [problem["reason"] for problem in json.load(answer)["problems"]]
    return []
