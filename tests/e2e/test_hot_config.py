"""A definition changes and its pods stay: hot configuration and the hold of rollouts, on the node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from e2e.conversations import conversations
from e2e.hotagent import HotAgent
from e2e.pods import Pod
from e2e.reconciler import Reconciler
from e2e.release import Release
from e2e.site import QUICK_PROBE, Site
from e2e.stage import BASELINE, make_stage
from e2e.timings import Timings
from e2e.toolserver import tool_server
from e2e.watchful_model import watchful_model
from kit.apiserver.client import Api, ApiError
from kit.node.node import Node
from kit.waiting import until

_CHANGES = 30
_CLOCK_SKEW = 6.0


@pytest.fixture(scope="module")
def lead(node: Node, reconciler: Reconciler, chart_release: Release) -> Iterator[HotAgent]:
    """An orchestrator that runs from the first test of this file to the last."""
    chart_release.install()
    stage = make_stage(node.api, "hot", BASELINE)
    reconciler.follow(stage.namespace, Site(probe=QUICK_PROBE))
    with watchful_model() as model, tool_server() as tools:
        made = HotAgent(stage, model, tools)
        made.create()
        yield made
        reconciler.leave(stage.namespace)
        node.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}")


def test_thirty_changes_during_ten_conversations_restart_no_pod(
    lead: HotAgent, timings: Timings
) -> None:
    revision, began = lead.revision(), [(one.uid, one.name) for one in lead.pods()]
    with conversations(lead.stage.url(lead.agent)) as talk:
        for number in range(1, _CHANGES + 1):
            took = lead.wait_until_live(lead.change(number))
            timings.note("a changed Agent → the first request with it", took)
    assert talk.failed == []
    assert talk.turns > _CHANGES
    assert lead.revision() == revision, [one for one in lead.told() if "Held" not in one]
    pods = lead.pods()
    assert [(one.uid, one.name) for one in pods] == began
    assert [pods[0].restarts(name) for name in pods[0].containers] == [0, 0]
    assert lead.is_held()


def test_resync_every_second_keeps_the_hold(lead: HotAgent, reconciler: Reconciler) -> None:
    site = Site(probe=QUICK_PROBE)
    lead.wait("the hold", lead.owes)
    revision, uids = lead.revision(), [one.uid for one in lead.pods()]
    reconciler.follow(lead.stage.namespace, site, resync=1.0)
    writes = reconciler.writes
    lead.wait("two resyncs", lambda: reconciler.writes > writes + 30)
    version, writes = lead.deployment()["metadata"]["resourceVersion"], reconciler.writes
    lead.wait("five resyncs", lambda: reconciler.writes > writes + 60)
    assert lead.deployment()["metadata"]["resourceVersion"] == version
    reconciler.follow(lead.stage.namespace, site)
    assert (lead.revision(), [one.uid for one in lead.pods()]) == (revision, uids)


def _delete(api: Api, pod: Pod) -> None:
    api.delete(pod.reference)


def _drain_node(api: Api, pod: Pod) -> None:
    """As `kubectl drain` does it, of this one pod; the node takes pods again at the end."""
    (found,) = api.list("v1", "Node")["items"]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": found["metadata"]["name"]}}
    api.patch(node, {"spec": {"unschedulable": True}})
    try:
        place = {key: pod.reference["metadata"][key] for key in ("name", "namespace")}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": place}
        api.request("POST", f"{api.path(pod.reference)}/eviction", eviction)
        until("the end of the pod", lambda: _is_ending(api, pod), 30.0)
    finally:
        api.patch(node, {"spec": {"unschedulable": None}})


def _is_ending(api: Api, pod: Pod) -> bool:
    try:
        return "deletionTimestamp" in api.read(pod.reference)["metadata"]
    except ApiError as error:
        return error.status == 404


@pytest.mark.parametrize("take_away", [_delete, _drain_node])
def test_pod_deleted_while_held_returns_with_the_newest_definition(
    lead: HotAgent, take_away: Callable[[Api, Pod], None]
) -> None:
    with conversations(lead.stage.url(lead.agent)):
        lead.wait_until_live(lead.change(lead.number + 4))
    # Clocks may differ: a pod created earlier cannot prove that it started with the wanted hash.
    lead.wait("a hold of some seconds", lambda: lead.owed_for() > _CLOCK_SKEW)
    revision = lead.revision()
    (gone,) = lead.pods()
    take_away(lead.stage.api, gone)
    lead.wait(
        "another pod",
        lambda: any(one.is_ready and one.uid != gone.uid for one in lead.pods()),
    )
    lead.stage.wait_until_served(lead.agent)
    assert lead.revision() == revision, lead.told()
    (pod,) = lead.pods()
    with conversations(lead.stage.url(lead.agent)) as talk:
        lead.wait_until_live(time.time())
        lead.wait_until_live(lead.change(lead.number + 4))
    assert talk.failed == []
    assert [one.uid for one in lead.pods()] == [pod.uid]
    assert lead.revision() == revision


def test_rollback_ends_the_hold_without_a_rollout(lead: HotAgent) -> None:
    revision, uids = lead.revision(), [one.uid for one in lead.pods()]
    lead.number, lead.config, lead.words, lead.others = 0, "one", ("define",), ("weather",)
    with conversations(lead.stage.url(lead.agent)) as talk:
        lead.wait_until_live(lead.write())
    lead.wait("the end of the hold", lambda: not lead.is_held())
    assert talk.failed == []
    assert (lead.revision(), [one.uid for one in lead.pods()]) == (revision, uids)


def test_definition_that_needs_a_restart_rolls_and_ends_the_hold(lead: HotAgent) -> None:
    lead.write()
    with conversations(lead.stage.url(lead.agent)) as talk:
        lead.wait_until_live(lead.change(lead.number + 4))
        revision, (old,) = lead.revision(), lead.pods()
        lead.stream = True
        lead.write()
        lead.wait("the rollout", lambda: lead.revision() != revision)
        lead.wait("the end of the hold", lambda: not lead.is_held())
        lead.wait("the old pod to go", lambda: all(one.uid != old.uid for one in lead.pods()))
        turns = talk.turns
        lead.wait("turns with the new pod", lambda: talk.turns > turns + 10)
    assert talk.failed == []


def test_bad_configuration_fails_no_turn_until_it_is_mended(
    lead: HotAgent, reconciler: Reconciler
) -> None:
    (old,) = lead.pods()
    reconciler.leave(lead.stage.namespace)
    with conversations(lead.stage.url(lead.agent)) as talk:
        lead.write_config("{")
        lead.wait("the refusal", lambda: any("HeldConfigRefused" in one for one in lead.told()))
        lead.wait("the rollout that cannot end", lambda: len(lead.pods()) > 1)
        assert [one.uid for one in lead.pods() if one.is_ready] == [old.uid]
        turns = talk.turns
        lead.wait("turns with the old pod", lambda: talk.turns > turns + 10)
        reconciler.follow(lead.stage.namespace, Site(probe=QUICK_PROBE))
        # The pod that fails may read the mended files and end the rollout, before the hold is released.
        lead.wait_until_live(lead.change(lead.number + 4))
        lead.wait("the end of all rollouts", lead.is_settled)
    assert talk.failed == []
