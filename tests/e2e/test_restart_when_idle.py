"""An agent that reads its configuration at its start: kubelet restarts its container, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from e2e.crew import INJECT
from e2e.hotagent import HotAgent
from e2e.pods import Pod
from e2e.reconciler import Reconciler
from e2e.release import Release
from e2e.site import QUICK_PROBE, Site
from e2e.stage import BASELINE, make_stage
from e2e.talk import Conversation
from e2e.timings import Timings
from e2e.toolserver import tool_server
from e2e.watchful_model import watchful_model
from hotpeers.inject.idle_restart import RESTART_FOLDER
from hotpeers.inject.restartprobe.program import PROGRAM
from kit.node.addresses import NODE_NAME
from kit.node.node import Node
from kit.waiting import until

ANNOTATIONS = {
    **INJECT,
    # kagent's Python runtime without the shim reads its configuration only at its start too.
    "hotpeers.dev/bridge": "true",
    "hotpeers.dev/hot-config": "restart-when-idle",
}
_SECONDS = 180.0


@pytest.fixture(scope="module")
def lead(node: Node, reconciler: Reconciler, chart_release: Release) -> Iterator[HotAgent]:
    """An orchestrator that runs from the first test of this file to the last."""
    chart_release.install()
    stage = make_stage(node.api, "idle", BASELINE)
    reconciler.follow(stage.namespace, Site(probe=QUICK_PROBE))
    with watchful_model() as model, tool_server() as tools:
        made = HotAgent(stage, model, tools, annotations=dict(ANNOTATIONS))
        made.create()
        yield made
        reconciler.leave(stage.namespace)
        node.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}")


def only_pod(lead: HotAgent) -> Pod:
    (pod,) = lead.pods()
    return pod


def supervisor(lead: HotAgent) -> psutil.Process:
    """The first process of the sidecar's container."""
    for process in psutil.process_iter():
        try:
            mine = f"{lead.stage.namespace}/{lead.agent.name}"
            first = "hotpeers.supervisor" in process.cmdline()
            if first and process.environ().get("HOTPEERS_ORCHESTRATOR") == mine:
                return process
        except psutil.Error:
            continue
    raise AssertionError("there is no supervisor")


def probes(lead: HotAgent, result: str) -> int:
    """How many liveness probes of the agent kubelet has counted with that result."""
    path = f"/api/v1/nodes/{NODE_NAME}/proxy/metrics/probes"
    text = str(lead.stage.api.request("GET", path).get("message", ""))
    wanted = (
        "prober_probe_total{",
        'container="kagent"',
        f'namespace="{lead.stage.namespace}"',
        f'pod="{only_pod(lead).name}"',
        'probe_type="Liveness"',
        f'result="{result}"',
    )
    found = [line for line in text.splitlines() if all(one in line for one in wanted)]
    return sum(int(float(line.rpartition(" ")[2])) for line in found)


def errors_of_the_probe(node: Node, pod: Pod) -> int:
    """How often containerd could not run the liveness probe. kubelet records few Events of one pod."""
    container = pod.containers["kagent"]["containerID"].rpartition("/")[2]
    lines = (node.folder / "containerd.log").read_text(errors="replace").splitlines()
    return sum("ExecSync" in line and "failed" in line and container in line for line in lines)


def is_explained(lead: HotAgent) -> bool:
    """Whether an Event of kubelet says why the probe failed."""
    events = lead.stage.api.list("v1", "Event", lead.stage.namespace)["items"]
    return any("hotpeers restarts the agent" in str(one.get("message")) for one in events)


def test_new_definition_waits_for_the_turn_and_restarts_only_the_agent(
    lead: HotAgent, timings: Timings
) -> None:
    before, revision = only_pod(lead), lead.revision()
    talk = Conversation(lead.stage.url(lead.agent))
    with ThreadPoolExecutor() as pool:
        turn = pool.submit(talk.say, "Take 20 s")
        until("the turn", lambda: lead.model.seen, _SECONDS)
        began = lead.change(4)
        assert turn.result() == "It took 20 s."
        assert only_pod(lead).restarts("kagent") == 0

    def is_restarted() -> bool:
        pod = only_pod(lead)
        return pod.restarts("kagent") == 1 and pod.is_ready

    until("the restart of the agent", is_restarted, _SECONDS)
    lead.wait("the proof", lambda: lead.has_told("ConfigurationLive"), _SECONDS)
    lead.stage.wait_until_served(lead.agent)
    assert talk.say("Take 0 s") == "It took 0 s."
    assert lead.is_shown(lead.model.seen[-1])
    timings.note(
        "a changed Agent → a request with it, after a turn of 20 s and one restart",
        lead.wait_until_live(began),
    )
    after = only_pod(lead)
    assert (after.uid, lead.revision()) == (before.uid, revision), lead.told()
    assert (after.restarts("kagent"), after.restarts("hotpeers")) == (1, 0)
    assert lead.is_held()
    until("the Event of the probe", lambda: is_explained(lead), _SECONDS)


def test_sidecar_that_crashes_or_hangs_restarts_no_agent(lead: HotAgent) -> None:
    before = only_pod(lead)
    supervisor(lead).kill()
    until("another sidecar", lambda: only_pod(lead).restarts("hotpeers") == 1, _SECONDS)
    until("the pod to be ready", lambda: only_pod(lead).is_ready, _SECONDS)
    first = supervisor(lead)
    stopped = [first, *first.children(recursive=True)]
    for one in stopped:
        one.suspend()
    count = probes(lead, "successful")
    until("probes without it", lambda: probes(lead, "successful") >= count + 2, _SECONDS)
    for one in stopped:
        one.resume()
    until("the pod to be ready", lambda: only_pod(lead).is_ready, _SECONDS)
    after = only_pod(lead)
    assert (after.uid, after.restarts("kagent")) == (before.uid, before.restarts("kagent"))
    assert probes(lead, "failed") == 1, "that of the first test"


def test_probe_that_cannot_run_restarts_no_agent(lead: HotAgent, node: Node) -> None:
    before = only_pod(lead)
    program = Path(f"/proc/{supervisor(lead).pid}/root{RESTART_FOLDER}/{PROGRAM}")
    program.unlink()
    until("another one", program.is_file, _SECONDS)
    program.unlink()
    program.mkdir()
    errors = errors_of_the_probe(node, before)
    # kubelet tries three times before it gives up one run of the probe.
    until("errors", lambda: errors_of_the_probe(node, before) >= errors + 6, _SECONDS)
    program.rmdir()
    until("the program", program.is_file, _SECONDS)
    assert only_pod(lead).restarts("kagent") == before.restarts("kagent")
