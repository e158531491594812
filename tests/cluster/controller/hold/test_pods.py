"""What pods say of a configuration, and what comes of it: they may say anything."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cluster.controller.hold.leader import A, B, held_and_live, leading
from cluster.controller.hold.orchestrator import Orchestrator, Sidecar, live, saying
from kit.apiserver.accounts import ServiceAccount
from kit.waiting import until_async


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        ("refused", {"reason": "WrongShape", "message": "model: is missing"}, "HeldConfigRefused"),
        ("restart", {"restart": ["stream"]}, "HeldConfigNeedsRestart"),
    ],
)
async def test_pod_that_cannot_take_it_rolls_the_deployment(
    lead: Orchestrator, account: ServiceAccount, state: str, more: dict[str, Any], reason: str
) -> None:
    async with leading(account, ack_seconds=30.0) as leader:
        # Before it was asked it says that of nothing; then of the new file.
        said = saying(state, **more)
        lead.says = lambda held: said(held) if held else saying("live", hash=A)(held)
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B, 10.0)
        assert lead.held == ""
        await until_async(
            "the hold to be released", lambda: leader.results == [("released", reason)]
        )
        await until_async("the Event HoldReleased", lambda: "HoldReleased" in lead.events())
        lead.roll()
        lead.sync(B)
        assert lead.held == ""


@pytest.mark.parametrize("replicas", [1, 2])
async def test_silent_pod_releases_the_rollout_after_the_timeout(
    lead: Orchestrator, account: ServiceAccount, replicas: int
) -> None:
    if replicas == 2:
        lead.api.patch(lead.reference, {"spec": {"replicas": 2}})
        lead.add_pod()
        lead.report()
        # One of them is fine: all must be.
        next(iter(lead.sidecars.values())).says = live
        list(lead.sidecars.values())[1].says = saying("live", hash="7")
    else:
        lead.says = saying("live", hash="7")
    async with leading(account, ack_seconds=2.0) as leader:
        began = time.monotonic()
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B, 15.0)
        assert time.monotonic() - began >= 1.9
        await until_async(
            "the hold to be released for a missing ack",
            lambda: leader.results == [("released", "AckMissing")],
        )
        assert max(one.get("try", 0) for one in lead.asked_for()) >= 2


async def test_pod_whose_agent_is_restarted_when_idle_has_longer(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.hot = "restart-when-idle"
    lead.sync(A)
    lead.roll()
    began = time.monotonic()

    def says(held: dict[str, Any]) -> Any:
        if time.monotonic() - began > 4.0:
            return live(held)
        return saying("waiting", seen=held.get("hash", ""), message="A turn is in flight.")(held)

    lead.says = says
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        assert (lead.running, lead.held) == (A, B)
        await until_async("the hold to be live", lambda: leader.results == [("live", "")], 15.0)
        assert time.monotonic() - began > 4.0
        assert (lead.running, lead.held) == (A, B)


HOSTILE = {
    "a gigabyte": (200, {}, b'{"a": "' + b"x" * 4_000_000),
    "endless values": (200, {}, b"[" + b"1," * 900_000),
    "deep": (200, {}, b"[" * 500_000),
    "a redirect": (302, {"Location": "http://127.0.0.1:1/status"}, b""),
    "not JSON": (200, {}, b"\xff\xfe"),
    "an error": (500, {}, b"{}"),
    "a bomb": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"\0" * 100),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_malformed_answer_of_a_pod_counts_as_silence(
    lead: Orchestrator, account: ServiceAccount, answer: tuple[int, dict[str, str], bytes]
) -> None:
    lead.says = lambda _held: answer
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B, 15.0)
        await until_async(
            "the hold to be released for a missing ack",
            lambda: leader.results == [("released", "AckMissing")],
        )


async def test_hanging_pod_does_not_block_the_release(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.says = lambda _held: (time.sleep(20), {})[1]
    async with leading(account, ack_seconds=2.0):
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B, 15.0)


async def test_pod_without_sidecar_rolls_the_deployment(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.stop()
    lead.add_pod(sidecar=False)
    async with leading(account, ack_seconds=60.0) as leader:
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B)
        await until_async(
            "the hold to be released for a missing ack",
            lambda: leader.results == [("released", "AckMissing")],
        )


async def test_pod_of_another_owner_is_never_asked(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    """A tenant's pod with the labels of the Deployment, and an owner that is another's."""
    stranger = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": lead.namespace},
    }
    sidecar = Sidecar(lead.api, stranger, live)
    pod = lead.api.create(
        {
            **stranger,
            "metadata": {
                **stranger["metadata"],
                "labels": lead.set["spec"]["selector"]["matchLabels"],
            },
            "spec": {
                "containers": [
                    {"name": "hotpeers", "image": "a", "ports": [{"containerPort": sidecar.port}]}
                ]
            },
        }
    )
    lead.api.patch(
        pod, {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}, "status"
    )
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        assert sidecar.asked == 0
        assert "annotations" not in lead.api.read(pod)["metadata"]
    sidecar.stop()
