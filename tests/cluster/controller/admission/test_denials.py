"""Denials as Events on a real API server: counted, bounded, and they never delay a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hotpeers.controller.admission.denials import MOST_WAITING, Denials, Told
from hotpeers.spawnpolicy.decision import Denial
from hotpeers.spawnpolicy.reasons import PolicyReason
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Object
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of, running
from kit.waiting import until_async

DENIAL = Denial(PolicyReason.RUNTIME_NOT_ALLOWED, "spec.declarative.runtime", "")


def told(namespace: str, name: str = "worker-a") -> Told:
    what = f"CREATE agents.kagent.dev/v1alpha2 {namespace}/{name}"
    return Told((namespace, "workers"), "policy-uid", f"{namespace}/lead", what, DENIAL, True)


def events(cluster: Cluster, namespace: str) -> list[Object]:
    return list(cluster.api.list("v1", "Event", namespace)["items"])


async def test_same_denial_is_one_event(cluster: Cluster, namespace: str) -> None:
    lost: list[int] = []
    async with client_of(cluster.kubeconfig) as client:
        denials = Denials(client, lambda: lost.append(1), pause=0.0, same=0.0)
        async with running(denials.run()):
            for _ in range(3):
                denials.note(told(namespace))
            denials.note(told(namespace, "worker-b"))
            denials.note(replace(told(namespace, "worker-c"), refused=False))
            await until_async("three Events", lambda: len(events(cluster, namespace)) == 3)
            denials.note(told(namespace))
            await until_async(
                "the Events to count four and one",
                lambda: {one["count"] for one in events(cluster, namespace)} == {4, 1},
            )
            found = {one["message"]: one for one in events(cluster, namespace)}
            assert len(found) == 3
            first = found[told(namespace).note]
            assert first["involvedObject"]["uid"] == "policy-uid"
            assert (first["reason"], first["type"]) == ("SpawnDenied", "Warning")
            assert {one["reason"] for one in found.values()} == {"SpawnDenied", "SpawnAudited"}
            # An expired Event is created again.
            cluster.api.delete({"apiVersion": "v1", "kind": "Event", **first})
            denials.note(told(namespace))
            await until_async("three Events", lambda: len(events(cluster, namespace)) == 3)
    assert lost == []


async def test_many_are_bounded(cluster: Cluster, namespace: str) -> None:
    lost: list[int] = []
    async with client_of(cluster.kubeconfig) as client:
        denials = Denials(client, lambda: lost.append(1))
        for number in range(MOST_WAITING + 50):
            denials.note(told(namespace, f"worker-{number}"))
        assert len(lost) == 50
        # A known denial is always accepted.
        denials.note(told(namespace, "worker-0"))
        assert len(lost) == 50


async def test_writes_of_denials_are_limited_per_second(cluster: Cluster, namespace: str) -> None:
    sent: list[str] = []

    async def post(path: str, _: Any) -> Any:
        sent.append(path)

    async with client_of(cluster.kubeconfig) as client:
        client.post = post  # type: ignore[method-assign]
        denials = Denials(client, lambda: None, pause=3600.0)
        async with running(denials.run()):
            for number in range(20):
                denials.note(told(namespace, f"worker-{number}"))
            await until_async("an Event to be sent", lambda: sent)
            assert len(sent) == 1


async def test_forbidden_event_is_counted_and_dropped(
    cluster: Cluster, namespace: str, service_account: Callable[..., ServiceAccount]
) -> None:
    lost: list[int] = []
    account = service_account(namespace, "controller")
    async with client_of(account.kubeconfig()) as client:
        denials = Denials(client, lambda: lost.append(1), pause=0.0, same=0.0)
        async with running(denials.run()):
            denials.note(told(namespace))
            denials.note(told(namespace, "worker-b"))
            await until_async("two lost Events", lambda: len(lost) == 2)
    assert events(cluster, namespace) == []
