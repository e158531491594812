"""Holds of two replicas: both follow, a rotated Secret rolls them, and our controller may be away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.conversations import conversations
from e2e.hotagent import HotAgent
from e2e.reconciler import Reconciler
from e2e.release import Release
from e2e.site import QUICK_PROBE, Site
from e2e.stage import BASELINE, make_stage
from e2e.timings import Timings
from e2e.toolserver import tool_server
from e2e.watchful_model import watchful_model
from kit.node.node import Node


@pytest.fixture(scope="module")
def lead(node: Node, reconciler: Reconciler, chart_release: Release) -> Iterator[HotAgent]:
    """An orchestrator of two pods that runs from the first test of this file to the last."""
    chart_release.install()
    stage = make_stage(node.api, "held", BASELINE)
    reconciler.follow(stage.namespace, Site(probe=QUICK_PROBE))
    with watchful_model() as model, tool_server() as tools:
        made = HotAgent(stage, model, tools, replicas=2)
        made.create()
        yield made
        reconciler.leave(stage.namespace)
        node.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}")


def test_two_replicas_follow_together(lead: HotAgent, timings: Timings) -> None:
    revision, uids = lead.revision(), {one.uid for one in lead.pods()}
    with conversations(lead.stage.url(lead.agent)) as talk:
        for number in range(1, 5):
            took = lead.wait_until_live(lead.change(number))
            timings.note("two replicas: a changed Agent → the first request with it", took)
        lead.wait("both pods to prove it", lambda: lead.has_told(lead.wanted()))
    assert talk.failed == []
    assert lead.revision() == revision, lead.told()
    pods = lead.pods()
    assert {one.uid for one in pods} == uids
    assert {one.restarts("kagent") for one in pods} == {0}


def test_rotated_secret_rolls_without_a_failed_turn(lead: HotAgent) -> None:
    """A Secret reaches a process as its environment, which no running process can change."""
    revision = lead.revision()
    with conversations(lead.stage.url(lead.agent)) as talk:
        lead.rotate_key()
        lead.wait("the rollout", lambda: lead.revision() != revision)
        lead.wait("its end", lead.is_settled)
    assert talk.failed == []
    assert not lead.is_held()
    assert lead.has_told("HoldReleased"), lead.told()


def test_kagent_rolls_without_our_controller_which_later_removes_marks(
    lead: HotAgent, release: Release
) -> None:
    """The webhook fails open: kagent's next write rolls out the held change."""
    with conversations(lead.stage.url(lead.agent)):
        lead.wait_until_live(lead.change(lead.number + 4))
    lead.wait("the hold", lead.owes)
    revision = lead.revision()
    release.scale(0)
    try:
        with conversations(lead.stage.url(lead.agent)) as talk:
            lead.wait_until_live(lead.change(lead.number + 4))
            lead.wait("the rollout", lambda: lead.revision() != revision)
            lead.wait("its end", lead.is_settled)
        assert talk.failed == []
        assert lead.is_held(), "no controller is there to take the marks away"
    finally:
        release.scale(2)
    lead.wait("no marks", lambda: not lead.is_held())
