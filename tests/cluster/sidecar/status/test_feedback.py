"""Kubernetes Events on the orchestrator's Agent, on a real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotpeers.base.problems import Problem
from hotpeers.base.reasons import sentence_of
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.changes import PeerChanges, new_refusals, peer_changes
from hotpeers.sidecar.resolve.eligibility import Refused
from hotpeers.sidecar.status.events import Feedback, note_of
from hotpeers_shim.contract import Ack, AckState, CallFailure, Peer
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.resources import agent
from kit.apiserver.server import Cluster
from kit.waiting import until_async


def peer(name: str, **fields: Any) -> Peer:
    return Peer(name=name, url="http://x", toolName=name, namespace="ns", **fields)


def added(*names: str) -> PeerChanges:
    return PeerChanges(tuple(map(peer, names)), (), ())


@asynccontextmanager
async def feedback(
    kubeconfig: Path, orchestrator: str, lost: list[None], **how: float
) -> AsyncIterator[Feedback]:
    access = Access(str(kubeconfig))
    async with Client(access, await connect(access)) as client:
        made = Feedback(client, orchestrator, lambda: lost.append(None), **how)
        task = asyncio.create_task(made.run())
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_are_on_the_agent(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> None:
    uid = cluster.api.create(agent(namespace, "concierge"))["metadata"]["uid"]
    account = service_account(
        namespace,
        "sidecar",
        [rule("", "events", "create"), rule("kagent.dev", "agents", "get")],
    )
    orchestrator, lost = f"{namespace}/concierge", list[None]()
    kubeconfig = account.kubeconfig()
    async with feedback(kubeconfig, orchestrator, lost, gather=0.01, rest=0.0) as told:
        told.peers(PeerChanges((peer("a"), peer("b")), (), (peer("c"),)))
        told.refused([Refused("ns/d", "s", SidecarReason.NOT_READY)])
        told.nacked([Ack(pid=7, state=AckState.REFUSED, generation=1, reason="NotJson")])
        sentence = sentence_of(SidecarReason.SHIM_NOT_LOADED)
        told.without_shim(Problem("agent", SidecarReason.SHIM_NOT_LOADED, sentence))

        missing = sentence_of(SidecarReason.SHIM_NOT_INSTALLED)
        told.without_shim(Problem("/shim", SidecarReason.SHIM_NOT_INSTALLED, missing))
        told.late("generation 7 is not live")
        told.late("generation 8 is not live")

        def seven() -> Any:
            items = cluster.api.list("v1", "Event", namespace)["items"]
            return items if len(items) == 7 else None

        events = {item["reason"]: item for item in await until_async("seven Events", seven)}
    assert {reason: item["message"] for reason, item in events.items()} == {
        "PeerAdded": "ns/a, ns/b",
        "PeerRemoved": "ns/c",
        "PeerRefused": "ns/d (NotReady)",
        "ReloadRejected": "process 7 (NotJson)",
        "ShimNotLoaded": sentence,
        "ShimNotInstalled": missing,
        # The second one within five minutes is dropped.
        "ChangeNotLive": "generation 7 is not live",
    }
    assert {item["involvedObject"]["uid"] for item in events.values()} == {uid}
    assert {reason for reason, item in events.items() if item["type"] == "Warning"} == {
        "PeerRefused",
        "ReloadRejected",
        "ShimNotLoaded",
        "ShimNotInstalled",
        "ChangeNotLive",
    }
    assert not lost


async def test_many_changes_at_once_are_one_event(
    cluster: Cluster, namespace: str, crds: list[str]
) -> None:
    orchestrator, lost = f"{namespace}/concierge", list[None]()
    async with feedback(cluster.kubeconfig, orchestrator, lost, gather=0.05, rest=3600) as told:
        for number in range(5000):
            told.peers(added(f"peer-{number}"))

        def some() -> Any:
            return cluster.api.list("v1", "Event", namespace)["items"]

        (event,) = await until_async("an Event", some)
        # Within the rest nothing is sent, whatever happens.
        told.peers(added("late"))
    assert event["message"].startswith("ns/peer-0, ns/peer-1, ")
    assert " more" in event["message"][-12:]
    assert len(await asyncio.to_thread(some)) == 1


async def test_repeated_failures_of_one_peer_are_one_event(
    cluster: Cluster, namespace: str, crds: list[str]
) -> None:
    orchestrator, lost = f"{namespace}/concierge", list[None]()
    async with feedback(cluster.kubeconfig, orchestrator, lost, gather=0.01, rest=0.0) as told:
        for _ in range(3):
            told.failing([CallFailure("ns__NS__a", "PeerUnreachable", "refused")])

        def some() -> Any:
            return cluster.api.list("v1", "Event", namespace)["items"]

        await until_async("an Event", some)
        told.failing([CallFailure("ns__NS__a", "PeerUnreachable", "refused")])
        told.failing([CallFailure("ns__NS__b", "CallTimedOut", "slow")])
        await until_async("two Events", lambda: len(some()) == 2)
    messages = sorted(item["message"] for item in some())
    assert messages == ["ns__NS__a (PeerUnreachable)", "ns__NS__b (CallTimedOut)"]
    assert {(item["reason"], item["type"]) for item in some()} == {("CallsFailed", "Warning")}


async def test_missing_right_is_counted_and_does_not_stop_the_sidecar(
    cluster: Cluster, namespace: str, service_account: Callable[..., ServiceAccount]
) -> None:
    kubeconfig = service_account(namespace, "nobody").kubeconfig()
    lost: list[None] = []
    async with feedback(kubeconfig, f"{namespace}/x", lost, gather=0.0, rest=0.0) as told:
        told.peers(added("a"))
        await until_async("one lost Event", lambda: len(lost) == 1)
        told.peers(added("b"))
        await until_async("two lost Events", lambda: len(lost) == 2)


def test_note_is_short_and_clean() -> None:
    assert note_of(["a", "b"], 0) == "a, b"
    assert note_of(["a\nb"], 3) == "a b and 3 more"
    long = note_of([f"ns/{number:0100}" for number in range(100)], 5)
    assert len(long.encode()) <= 1000
    assert long.endswith("and 96 more")


def test_changes_are_found_by_name() -> None:
    a, b, c = peer("a"), peer("b"), peer("c")
    other = replace(b, url="http://y")
    found = peer_changes([a, b], [replace(a), other, c])
    assert found == PeerChanges((c,), (other,), ())
    assert peer_changes([a, b], [b]) == PeerChanges((), (), (a,))
    one, two = (
        Refused("x", "s", reason) for reason in (SidecarReason.NOT_READY, SidecarReason.URL_MISSING)
    )
    assert new_refusals([one], [one, two]) == [two]
