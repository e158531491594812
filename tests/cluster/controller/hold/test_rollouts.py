"""Rollout hold on a real API server: which rollouts are held, and how each hold ends."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.controller.hold.leader import PLACE, USER, A, B, C, held_and_live, leading
from cluster.controller.hold.orchestrator import S_HASH, Orchestrator, live, saying
from hotpeers.controller.hold.case import Case
from hotpeers.hold.repay import Terms
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Object
from kit.apiserver.server import Cluster
from kit.counting import count_calls
from kit.waiting import until_async
from kit.webhook import Controller


async def test_configuration_applied_by_the_pods_causes_no_rollout(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        (asked,) = lead.asked_for()
        since = lead.read()["metadata"]["annotations"]["hotpeers.dev/held-since"]
        assert asked == {"hash": B, "secrets": S_HASH, "try": 1, "since": since}
        assert (lead.running, lead.held) == (A, B)
        await until_async(
            "the Events of a held and a live configuration",
            lambda: {"ConfigurationHeld", "ConfigurationLive"} <= set(lead.events()),
        )
        assert leader.reasons() == set()


async def test_controller_that_rewrites_the_hash_causes_no_writes(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        # After a write of somebody else the API server moves kagent's entry of managedFields to the
        # end, once: they are sorted by their times, in seconds.
        await until_async(
            "a write that is not of the subresource",
            lambda: "subresource" not in lead.sync(B)["metadata"]["managedFields"][-1],
        )
        versions = lead.versions()
        began, syncs = time.monotonic(), 0
        while time.monotonic() - began < 6.0 or syncs < 20:
            answer = await asyncio.to_thread(lead.sync, B)
            assert answer["metadata"]["resourceVersion"] == versions[0]
            syncs += 1
            await asyncio.sleep(0.1)
        assert lead.versions() == versions
        assert len(lead.events()) == 2


async def test_resync_after_each_event_does_not_loop(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    """Two changes in quick succession, and a change back: each is one write to the Deployment."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        lead.sync(C)
        lead.sync(C)
        assert (lead.running, lead.held) == (A, C)
        await until_async(
            "the second change to be asked for", lambda: lead.asked_for()[0]["hash"] == C
        )
        await until_async("the hold to be live", lambda: leader.state() == "live")
        lead.sync(A)
        await until_async("the hold to end", lambda: lead.held == "")
        assert lead.running == A
        assert lead.asked_for()[0]["hash"] == A
        await until_async(
            "the result to be reverted", lambda: leader.results[-1] == ("reverted", "")
        )
        lead.sync(A)
        versions = lead.versions()
        for _ in range(5):
            lead.sync(A)
        assert lead.versions() == versions


async def held_back(lead: Orchestrator, change: Any) -> None:
    lead.sync(C, change)
    assert (lead.running, lead.held) == (B, C)


async def test_image_and_configuration_together_roll(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    def image(one: Object) -> None:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "app:0.11.0"

    async with leading(account) as leader:
        lead.sync(B, image)
        assert (lead.running, lead.held) == (B, "")
        lead.roll()
        await held_back(lead, image)
        await until_async("the hold to be live", lambda: leader.state() == "live")


async def test_rollout_restart_takes_the_newest_configuration(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        restart = {"kubectl.kubernetes.io/restartedAt": "now"}
        lead.api.patch(
            lead.reference, {"spec": {"template": {"metadata": {"annotations": restart}}}}
        )
        assert (lead.running, lead.held) == (B, "")


async def test_scale_keeps_the_hold(lead: Orchestrator, account: ServiceAccount) -> None:
    """HPA and `kubectl scale` write the subresource."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        path = f"{lead.api.path(lead.reference)}/scale"
        lead.api.request(
            "PATCH", path, {"spec": {"replicas": 2}}, content_type="application/merge-patch+json"
        )
        assert (lead.running, lead.held) == (A, B)
        lead.add_pod()
        lead.report()
        await until_async(
            "both pods to be asked", lambda: len([one for one in lead.asked_for() if one]) == 2
        )


async def test_new_leader_continues_the_hold(lead: Orchestrator, account: ServiceAccount) -> None:
    """The controller dies between the hold and the ack."""
    lead.says = saying("live", hash="7")
    lead.sync(B)
    async with leading(account, ack_seconds=60.0):
        await until_async("a pod to be asked", lambda: lead.asked_for()[0] != {})
    assert (lead.running, lead.held) == (A, B)
    lead.says = live
    async with leading(account) as leader:
        await until_async("the hold to be live", lambda: leader.state() == "live")
    # One that comes to live ones writes nothing.
    versions = lead.versions()
    async with leading(account) as leader:
        await until_async("the hold to be live", lambda: leader.state() == "live")
        assert lead.versions() == versions


async def test_pod_made_while_held_is_asked_too(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    """A pod is deleted or evicted, or its node drained."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        (old,) = lead.sidecars
        lead.remove(old)
        new = lead.add_pod(ready=False)
        lead.report(availableReplicas=0, readyReplicas=0)
        await until_async(
            "the one pod to be asked", lambda: [one.get("hash") for one in lead.asked_for()] == [B]
        )
        lead.set_ready(new["metadata"]["name"])
        lead.report()
        await until_async("the hold to be live", lambda: leader.state() == "live")
        assert (lead.running, lead.held) == (A, B)


async def test_hold_is_not_decided_during_a_rollout(
    lead: Orchestrator, account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count_calls(monkeypatch, Case, "look")
    lead.report(updatedReplicas=0)
    lead.says = saying("refused")
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until_async("the hold to wait for the rollout", lambda: leader.state() == "rolling")
        before = looks.count
        # They are 2 s apart, longer than an ack may take.
        await until_async("two more looks", lambda: looks.count >= before + 2)
        assert (lead.running, lead.held, lead.asked_for()) == (A, B, [{}])
        lead.says = live
        lead.report()
        await until_async("the hold to be live", lambda: leader.state() == "live")


@pytest.mark.parametrize("waiting", ["CrashLoopBackOff", ""])
async def test_rollout_that_does_not_get_on_is_replaced(
    lead: Orchestrator, account: ServiceAccount, waiting: str
) -> None:
    (name,) = lead.sidecars
    lead.set_ready(name, ready=False, waiting=waiting)
    lead.report(replicas=2)
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B)
        await until_async(
            "the hold to be released from a stuck rollout",
            lambda: leader.results == [("released", "RolloutStuck")],
        )


async def test_controller_process_leads_and_reports_holds(
    lead: Orchestrator, account: ServiceAccount, cluster: Cluster, tmp_path: Path
) -> None:
    flags = (f"--kubeconfig={account.kubeconfig()}", f"--namespace={PLACE}", f"--account={USER}")
    more = ("--guard-configuration=none", "--hold-ack-seconds=600", "--hold-window=Sat 02:00-05:00")
    controller = Controller(tmp_path / "whole", cluster, *flags, *more)
    lead.report(replicas=2)
    try:
        controller.start()
        lead.sync(B)
        await until_async(
            "the metric of held Deployments",
            lambda: controller.metric("hotpeers_held_deployments") == 1,
        )
        assert (lead.running, lead.held) == (A, B)
        (shown,) = controller.document("/status")["holds"]
        assert (shown["name"], shown["wanted"], shown["state"]) == ("lead", B, "rolling")
        # Its pods are not where pods may be: nobody can be asked.
        lead.report()
        await until_async("the pods to run the new configuration", lambda: lead.running == B)
        reason = {"result": "released", "reason": "AckMissing"}
        await until_async(
            "the metric of results",
            lambda: controller.metric("hotpeers_hold_results_total", **reason) == 1,
        )
        await until_async(
            "no held Deployment in the metric",
            lambda: controller.metric("hotpeers_held_deployments") == 0,
        )
    finally:
        controller.stop(signal.SIGKILL)


async def test_kagent_rolls_while_the_controller_is_down(
    lead: Orchestrator, account: ServiceAccount, webhook: Controller
) -> None:
    """What was held is rolled by the next reconcile; the marks go once there is a leader again."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
    webhook.stop()
    lead.sync(C)
    assert (lead.running, lead.held) == (C, B)
    lead.roll()
    async with leading(account) as leader:
        await until_async("the hold to end", lambda: lead.held == "")
        await until_async(
            "the result to be overtaken", lambda: leader.results == [("overtaken", "")]
        )
        assert lead.running == C


async def test_debt_of_an_idle_orchestrator_is_repaid(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    busy = {"turns": {"active": 1, "idleSeconds": 0}}
    lead.says = lambda held: {**live(held), **busy}
    async with leading(account, terms=Terms(idle=1.0)) as leader:
        await held_and_live(lead, leader)
        (sidecar,) = lead.sidecars.values()
        before = sidecar.asked
        await until_async(
            "five questions whether the pod is idle", lambda: sidecar.asked >= before + 5
        )
        assert (lead.running, lead.held) == (A, B)
        lead.says = live
        await until_async(
            "the pods to run the new configuration without a hold",
            lambda: (lead.running, lead.held) == (B, ""),
        )
        await until_async(
            "the hold to be live, then repaid",
            lambda: leader.results == [("live", ""), ("repaid", "")],
        )
        await until_async("the Event HoldRepaid", lambda: "HoldRepaid" in lead.events())
