"""Changes of objects: a malformed one, thousands at once, a removed kind."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import LABELS, NOWHERE, Sidecar
from kit.apiserver.client import ApiError, Object, read_yaml
from kit.apiserver.proxy import Proxy
from kit.apiserver.resources import AGENTS, PEERS, agent, install_crd, remove_crd, set_ready
from kit.apiserver.server import Cluster
from kit.waiting import until

Make = Callable[..., Sidecar]
MakePeer = Callable[..., Object]
Tell = Callable[[str], None]


@pytest.fixture
def anything_goes(cluster: Cluster, namespace: str, crds: list[str]) -> Iterator[None]:
    """A CRD of Peer without validation, as an older or a foreign one may be."""
    (crd,) = read_yaml(PEERS)
    (version,) = crd["spec"]["versions"]
    version["schema"] = {
        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    }
    probe = {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Peer",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": 7,
    }

    def lets_in() -> bool:
        try:
            cluster.api.create(probe)
        except ApiError:
            return False
        return True

    cluster.api.apply(crd)
    until("the server to let anything in", lets_in, 60)
    yield
    cluster.api.delete(probe)
    install_crd(cluster.api, PEERS)


MALFORMED: list[Any] = [
    {"url": NOWHERE, "description": 7},
    {"url": "ftp://127.0.0.1"},
    {"url": ["a"]},
    {"url": NOWHERE, "timeout": {"a": 1}},
    {"url": NOWHERE, "description": "d", "cardPath": "http://127.0.0.2/card"},
    [],
    "spec",
    None,
]


def test_malformed_object_does_not_affect_a_thousand_others(
    cluster: Cluster,
    namespace: str,
    anything_goes: None,
    make_sidecar: Make,
    make_peer: MakePeer,
    tell: Tell,
) -> None:
    """One object is malformed from the start; another one turns so, and stays as it was."""
    good = [f"p{number}" for number in range(998)]
    odd = {**make_peer("odd"), "spec": MALFORMED[0]}
    cluster.api.create_all([*map(make_peer, [*good, "turned"]), odd], threads=8)
    sidecar = make_sidecar()
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names([*good, "turned"])
        observer.require(*good, "turned")
        times = []
        for number, spec in enumerate(MALFORMED):
            for name in ("odd", "turned"):
                # A merge would keep the fields that are no longer wanted.
                now = cluster.api.read(make_peer(name))
                manifest = {**now, "spec": spec}
                if spec is None:
                    del manifest["spec"]
                cluster.api.request("PUT", cluster.api.path(manifest), manifest)
            name = good[number]
            cluster.api.patch(make_peer(name), {"spec": {"description": f"change {number}"}})
            times.append(observer.until_told(name, f"change {number}"))
            wrong = {f"Peer/{namespace}/odd", f"Peer/{namespace}/turned"}
            until(
                "the wrong objects in the status", lambda wrong=wrong: wrong <= places(sidecar), 60
            )
        assert places(sidecar) == wrong
        assert observer.descriptions["turned"] == "at first"
        for name in ("odd", "turned"):
            cluster.api.patch(make_peer(name), make_peer(name, "mended"))
        observer.until_told("odd", "mended")
        observer.until_told("turned", "mended")
        observer.until("every problem to be solved", lambda: places(sidecar) == set())
    tell(
        f"malformed in {len(MALFORMED)} ways among 1,000: the others followed in "
        f"{max(times) * 1000:.0f} ms at most; {observer.figures()}"
    )


def places(sidecar: Sidecar) -> set[str]:
    found = {problem["where"] for problem in sidecar.status()["problems"]}
    return {where for where in found if where.startswith("Peer/")}


def test_burst_of_5000_events_ends_right(
    cluster: Cluster, proxy: Proxy, make_sidecar: Make, make_peer: MakePeer, tell: Tell
) -> None:
    """The last thousand are held back and come at once: such are taken together, not one by one."""
    names = [f"p{number}" for number in range(200)]
    cluster.api.create_all(map(make_peer, names), threads=8)
    sidecar = make_sidecar(replace(cluster.access, url=proxy.url))
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(names)
        observer.require(*names)

        def change(number: int) -> None:
            name = names[number % len(names)]
            text = f"round {number // len(names)}"
            cluster.api.patch(make_peer(name), {"spec": {"description": text}})

        def burst(numbers: range) -> None:
            with ThreadPoolExecutor(8) as pool:
                for _ in pool.map(change, numbers):
                    pass

        def until_right() -> float:
            items = cluster.api.list("hotpeers.dev/v1alpha1", "Peer", sidecar.namespace)["items"]
            end = {item["metadata"]["name"]: item["spec"]["description"] for item in items}
            assert len(end) == len(names)
            return observer.until("the end of it", lambda: observer.descriptions == end)

        first = observer.generation
        began = time.monotonic()
        burst(range(4000))
        took = time.monotonic() - began
        settled = until_right()
        second = observer.generation

        proxy.black_hole()
        burst(range(4000, 5000))
        held = observer.generation - second
        proxy.heal()
        at_once = until_right()
        last = observer.generation
        assert last - second <= 250, "each event was written by itself"
    tell(
        f"4,000 events in {took:.1f} s over 200 peers: {second - first} files, right "
        f"{settled * 1000:.0f} ms after the last; 1,000 at once: {last - second - held} files, "
        f"right after {at_once * 1000:.0f} ms; {observer.figures()}"
    )


def test_kind_is_followed_again_after_its_crd_was_removed(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    make_sidecar: Make,
    make_peer: MakePeer,
    tell: Tell,
) -> None:
    def make_agent(name: str, description: str) -> Object:
        return agent(namespace, name, labels=LABELS, description=description)

    def create_agents(*names: str) -> None:
        for name in names:
            cluster.api.create(make_agent(name, "at first"))
            set_ready(cluster.api, make_agent(name, ""))

    create_agents("a0", "a1", "a2")
    cluster.api.create_all(map(make_peer, ["p0", "p1", "p2"]))
    sidecar = make_sidecar()
    (crd,) = read_yaml(AGENTS)
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(["a0", "a1", "a2", "p0", "p1", "p2"])
        observer.require("a0", "a1", "a2", "p0", "p1", "p2")

        # Not served any more, but defined: that is no reason to believe that they are gone.
        crd["spec"]["versions"][0]["served"] = False
        cluster.api.apply(crd)
        observer.until("NotServed in the status", lambda: "NotServed" in sidecar.reasons())
        cluster.api.patch(make_peer("p0"), {"spec": {"description": "meanwhile"}})
        observer.until_told("p0", "meanwhile")
        assert sidecar.scope("Agent")["state"] == "retrying"
        install_crd(cluster.api, AGENTS)
        cluster.api.patch(make_agent("a0", ""), {"spec": {"description": "served again"}})
        again = observer.until_told("a0", "served again")
        observer.until("NotServed to be solved", lambda: "NotServed" not in sidecar.reasons())

        observer.release("a0", "a1", "a2")
        remove_crd(cluster.api, AGENTS)
        observer.until_names(["p0", "p1", "p2"])
        observer.until(
            "the definition to be known as missing",
            lambda: sidecar.scope("Agent")["state"] == "notInstalled",
        )
        cluster.api.patch(make_peer("p1"), {"spec": {"description": "without agents"}})
        observer.until_told("p1", "without agents")

        install_crd(cluster.api, AGENTS)
        create_agents("a0", "fresh")
        back = observer.until_names(["a0", "fresh", "p0", "p1", "p2"])
        observer.require("a0", "fresh")
        cluster.api.patch(make_agent("fresh", ""), {"spec": {"description": "followed"}})
        observer.until_told("fresh", "followed")
    tell(
        f"CRD not served, removed, reinstalled: followed {again:.2f} s after it was served again, "
        f"{back:.2f} s after it was reinstalled; {observer.figures()}"
    )
