"""The cluster source on a real API server: what it yields, and what it never loses."""

import asyncio
import random

import pytest

from cluster.sidecar.sources.following import LABELS, Follow, problems
from hotpeers.model.snapshot import Snapshot
from hotpeers_shim.contract import Nack
from kit.apiserver.client import Object
from kit.apiserver.resources import agent, peer, set_ready
from kit.apiserver.server import Cluster


def service(namespace: str, name: str, *ports: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "spec": {"ports": list(ports)},
    }


async def test_objects_come_change_and_go(cluster: Cluster, namespace: str, follow: Follow) -> None:
    api = cluster.api
    async with follow() as source:
        empty = await source.names()
        assert (empty.complete, empty.unread, empty.problems) == (True, (), ())
        api.create(peer(namespace, "weather", "http://weather:8080", labels=LABELS, timeout="5s"))
        weather = (await source.names("weather")).candidates[0]
        assert (weather.source, weather.url) == (f"Peer/{namespace}/weather", "http://weather:8080")
        assert (weather.timeout, weather.ready, weather.audience) == (5.0, None, None)
        api.create(agent(namespace, "sql", labels=LABELS, description="Asks databases"))
        await source.names("sql", "weather")
        api.delete(peer(namespace, "weather"))
        sql = (await source.names("sql")).candidates[0]
        assert (sql.url, sql.ready) == (f"http://sql.{namespace}:8080", False)
        set_ready(api, agent(namespace, "sql"))
        await source.until(lambda now: now.candidates[0].ready is True)


async def test_label_given_and_taken(cluster: Cluster, namespace: str, follow: Follow) -> None:
    api, weather = cluster.api, peer(namespace, "weather")
    api.create(weather)
    async with follow() as source:
        await source.names()
        api.patch(weather, {"metadata": {"labels": LABELS}})
        await source.names("weather")
        api.patch(weather, {"metadata": {"labels": {"hotpeers.dev/peer": "false"}}})
        await source.names()


async def test_object_being_deleted_leaves_at_once(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    held = peer(namespace, "weather", labels=LABELS)
    held["metadata"]["finalizers"] = ["hotpeers.dev/test"]
    cluster.api.create(held)
    async with follow() as source:
        await source.names("weather")
        cluster.api.delete(peer(namespace, "weather"))
        await source.names()
        assert cluster.api.read(held)["metadata"]["deletionTimestamp"]
    async with follow() as source:
        await source.names()
    cluster.api.patch(held, {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(
    ("ports", "url"),
    [
        ([{"port": 80}], "http://s.{}:80"),
        ([{"port": 1, "name": "web"}, {"port": 2, "name": "a2a"}], "http://s.{}:2"),
        (
            [{"port": 1, "name": "x"}, {"port": 2, "name": "y", "appProtocol": "kgateway.dev/a2a"}],
            "http://s.{}:2",
        ),
        ([{"port": 1, "name": "x"}, {"port": 2, "name": "y"}], ""),
        ([{"port": 1, "name": "x", "protocol": "UDP"}, {"port": 2, "name": "y"}], "http://s.{}:2"),
    ],
)
async def test_port_of_a_service(
    cluster: Cluster, namespace: str, follow: Follow, ports: list[Object], url: str
) -> None:
    cluster.api.create(service(namespace, "s", *ports))
    async with follow() as source:
        assert (await source.names("s")).candidates[0].url == url.format(namespace)


async def test_labels_of_the_home_namespace_are_followed_once_they_matter(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    async with follow() as source:
        await source.names()
        kinds = [scope.kind for scope in source.source.scopes()]
        assert kinds == ["Agent", "Agent.api.kagent.dev", "Peer", "Service"]
        allowed = {"from": "Selector", "selector": {"matchLabels": {"team": "sky"}}}
        cluster.api.create(agent(namespace, "a", labels=LABELS, allowedNamespaces=allowed))
        now = await source.until(lambda now: now.home_labels is not None)
        audience = now.candidates[0].audience
        assert audience is not None
        assert audience.admits(namespace, namespace, now.home_labels) is False
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        cluster.api.patch(home, {"metadata": {"labels": {"team": "sky"}}})
        await source.until(lambda now: audience.admits(namespace, "x", now.home_labels) is True)


async def test_malformed_object_keeps_its_last_good_form(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    """The API server refuses most of it; what it lets through are labels of any kind of trouble."""
    allowed = {
        "from": "Selector",
        "selector": {"matchExpressions": [{"key": "a", "operator": "?"}]},
    }
    good = agent(namespace, "good", labels=LABELS, description="fine")
    cluster.api.create(good)
    cluster.api.create(agent(namespace, "never", labels=LABELS, allowedNamespaces=allowed))
    async with follow() as source:
        now = await source.names("good")
        assert now.unclear == {f"Agent/{namespace}/never"}
        cluster.api.patch(good, {"spec": {"description": "new", "allowedNamespaces": allowed}})
        now = await source.until(lambda now: len(now.problems) == 2)
        assert [item.description for item in now.candidates] == ["fine"]
        assert problems(now) == {Nack.WRONG_SHAPE}
        cluster.api.patch(good, {"spec": {"allowedNamespaces": None}})
        now = await source.until(lambda now: len(now.problems) == 1)
        assert [item.description for item in now.candidates] == ["new"]


async def test_burst_is_taken_together(cluster: Cluster, namespace: str, follow: Follow) -> None:
    async with follow() as source:
        await source.names()
        before = len(source.seen)
        names = [f"p{number:03}" for number in range(500)]
        made = [peer(namespace, name, labels=LABELS) for name in names]
        await asyncio.to_thread(cluster.api.create_all, made, 8)
        await source.names(*names)
        assert len(source.seen) - before <= len(names)
    async with follow() as source:
        # More than one page, and one snapshot.
        await source.names(*names)
        assert len([now for now in source.seen if now.complete]) == 1


async def test_random_history_ends_as_a_fresh_list(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    dice = random.Random(4)
    api = cluster.api
    there: dict[str, Object] = {}

    def step(number: int) -> None:
        name = f"{dice.choice('abcdefgh')}{dice.randrange(4)}"
        if name not in there:
            labels = LABELS if dice.random() < 0.7 else {}
            kinds = [agent(namespace, name, labels=labels), peer(namespace, name, labels=labels)]
            there[name] = dice.choice([*kinds, service(namespace, name, {"port": 80})])
            api.create(there[name])
        elif dice.random() < 0.3:
            api.delete(there.pop(name))
        elif dice.random() < 0.5:
            value = dice.choice(["true", "false", None])
            api.patch(there[name], {"metadata": {"labels": {"hotpeers.dev/peer": value}}})
        elif there[name]["kind"] != "Service":
            api.patch(there[name], {"spec": {"description": f"step {number}"}})

    async with follow() as source:
        await source.names()
        for number in range(300):
            await asyncio.to_thread(step, number)
        async with follow() as other:
            fresh = content(await other.until(lambda now: now.complete and not now.unread))
        await source.until(lambda now: content(now) == fresh)


def content(now: Snapshot) -> dict[str, object]:
    return {candidate.source: candidate for candidate in now.candidates}
