"""After any history of the objects, the peers equal those of a fresh list."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import LABELS, NOWHERE, Sidecar
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.resources import agent, peer, set_ready
from kit.apiserver.server import Cluster

STEPS = 2000
WORKERS = 4
NAMES = [f"n{number}" for number in range(30)]
ANCHORS = ["anchor-0", "anchor-1"]
KINDS = ("Peer", "Peer", "Agent", "Agent", "Service")
AUDIENCES: list[Object] = [
    {"from": "All"},
    {"from": "Same"},
    {"from": "Selector", "selector": {"matchLabels": {"team": "nobody"}}},
    {"from": "Selector"},  # malformed: it may be refused, and must not affect other objects
]


def manifest(kind: str, namespace: str, name: str) -> Object:
    if kind == "Peer":
        return peer(namespace, name, NOWHERE, labels=LABELS, description="made")
    if kind == "Agent":
        return agent(namespace, name, labels=LABELS, description="made")
    # With no cluster IP, of which there are few.
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "spec": {"clusterIP": "None", "ports": [{"port": 8080, "name": "a2a"}]},
    }


class Worker:
    """Does things to objects at random. Others do so to the same objects at the same time."""

    def __init__(self, api: Api, namespace: str, seed: int) -> None:
        self._api = api
        self._namespace = namespace
        self._dice = random.Random(seed)

    def work(self, steps: int) -> int:
        """Do so many things; return how many of them the server has accepted."""
        return sum(self._step(number) for number in range(steps))

    def _step(self, number: int) -> bool:
        dice = self._dice
        kind = dice.choice(KINDS)
        target = manifest(kind, self._namespace, dice.choice(NAMES))
        deeds = [self._create, self._create, self._update, self._update, self._delete]
        deed = dice.choice([*deeds, self._relabel, self._relabel])
        # The object may be missing, or may have been recreated.
        with suppress(ApiError):
            deed(kind, target, number)
            return True
        return False

    def _create(self, kind: str, target: Object, number: int) -> None:
        self._api.create(target)
        if kind == "Agent" and self._dice.random() < 0.8:
            set_ready(self._api, target)

    def _update(self, kind: str, target: Object, number: int) -> None:
        if kind == "Service":
            port = {"port": 8000 + number % 100, "name": "a2a"}
            self._api.patch(target, {"spec": {"ports": [port]}})
            return
        change: dict[str, Any] = {"description": f"step {number}"}
        if kind == "Peer":
            change["url"] = f"{NOWHERE}/{number % 3}"
            change["timeout"] = self._dice.choice([None, "30s", 5])
        else:
            change["allowedNamespaces"] = self._dice.choice(AUDIENCES)
        self._api.patch(target, {"spec": change})

    def _delete(self, kind: str, target: Object, number: int) -> None:
        self._api.delete(target)

    def _relabel(self, kind: str, target: Object, number: int) -> None:
        labels = self._dice.choice([{"hotpeers.dev/peer": None}, LABELS])
        self._api.patch(target, {"metadata": {"labels": labels}})


@pytest.mark.parametrize("seed", [1])
def test_state_after_2000_random_steps_equals_a_fresh_list(
    seed: int,
    cluster: Cluster,
    namespace: str,
    make_sidecar: Callable[..., Sidecar],
    make_peer: Callable[..., Object],
    tell: Callable[[str], None],
) -> None:
    cluster.api.create_all(map(make_peer, ANCHORS))
    old, fresh = make_sidecar(), make_sidecar()
    with Observer(old.file) as observer:
        old.start()
        observer.until_names(ANCHORS)
        observer.require(*ANCHORS)
        workers = [Worker(cluster.api, namespace, 100 * seed + one) for one in range(WORKERS)]
        with ThreadPoolExecutor(WORKERS) as pool:
            accepted = sum(pool.map(lambda worker: worker.work(STEPS // WORKERS), workers))
        assert accepted > STEPS // 2

        mend(cluster.api, namespace)

        with Observer(fresh.file) as other:
            fresh.start()
            other.until("the fresh list", lambda: other.file is not None)
            took = observer.until(
                "both to have the same peers", lambda: peers(observer) == peers(other)
            )
            observer.until("both to refuse the same peers", lambda: refused(old) == refused(fresh))
        expected = labelled(cluster.api, namespace)
        assert {peer.source for peer in observer.file.peers} <= expected
        assert {source for source in expected if "/Peer/" in f"/{source}"} <= told(old)
    tell(
        f"{STEPS} random steps, {accepted} accepted: {len(observer.names)} peers and "
        f"{len(refused(old))} refused, as of a fresh list {took:.2f} s later; {observer.figures()}"
    )


def mend(api: Api, namespace: str) -> None:
    """Correct malformed objects, whose last good form a fresh list cannot know."""
    for item in api.list("kagent.dev/v1alpha2", "Agent", namespace)["items"]:
        allowed = item["spec"].get("allowedNamespaces") or {}
        if allowed.get("from") == "Selector" and "selector" not in allowed:
            target = manifest("Agent", namespace, item["metadata"]["name"])
            api.patch(target, {"spec": {"allowedNamespaces": {"from": "All"}}})


def peers(observer: Observer) -> tuple[object, ...]:
    return observer.file.peers if observer.file else ()


def refused(sidecar: Sidecar) -> set[tuple[str, str]]:
    return {(item["source"], item["reason"]) for item in sidecar.status()["refused"]}


def told(sidecar: Sidecar) -> set[str]:
    """Return the source of everything that is offered or refused."""
    status = sidecar.status()
    return {item["source"] for item in (*status["peers"], *status["refused"])}


def labelled(api: Api, namespace: str) -> set[str]:
    """Return the selectable objects as the API server lists them."""
    found = set()
    for version, kind in (
        ("hotpeers.dev/v1alpha1", "Peer"),
        ("kagent.dev/v1alpha2", "Agent"),
        ("v1", "Service"),
    ):
        items = api.list(version, kind, namespace, labelSelector="hotpeers.dev/peer=true")["items"]
        found |= {f"{kind}/{namespace}/{item['metadata']['name']}" for item in items}
    return found
