"""The cluster source on a real API server: what it yields, and what it never loses."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.accounts import ServiceAccount, rule
from cluster.client import Object
from cluster.proxy import Proxy
from cluster.resources import AGENTS, PEERS, agent, install_crd, peer, remove_crd, set_ready
from cluster.server import Cluster
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.model.scope import State
from hotpeers.model.snapshot import Snapshot
from hotpeers.reasons import Reason
from hotpeers.source.kubernetes import KubernetesSource
from hotpeers_shim.contract import Nack
from source.following import Following

SELECTOR = "hotpeers.dev/peer=true"
LABELS = {"hotpeers.dev/peer": "true"}
EVERYTHING = [
    rule("kagent.dev", "agents", "list watch"),
    rule("hotpeers.dev", "peers", "list watch"),
    rule("", "services", "list watch"),
]

Follow = Callable[..., AbstractAsyncContextManager[Following]]


@asynccontextmanager
async def following(
    kubeconfig: Path, namespaces: list[str], **how: Any
) -> AsyncIterator[Following]:
    reach = Access(str(kubeconfig))
    async with Client(reach, await connect(reach)) as client:
        asked = {"selector": SELECTOR, "home": namespaces[0] if namespaces else "", **how}
        async with Following(KubernetesSource(client, namespaces=namespaces, **asked)) as made:
            yield made


@pytest.fixture
def follow(cluster: Cluster, namespace: str, crds: list[str]) -> Follow:
    return lambda **how: following(cluster.kubeconfig, [namespace], **how)


def service(namespace: str, name: str, *ports: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "spec": {"ports": list(ports)},
    }


def problems(now: Snapshot) -> set[object]:
    return {problem.reason for problem in now.problems}


async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(call, *args)


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
        assert [scope.kind for scope in source.source.scopes()] == ["Agent", "Peer", "Service"]
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


async def test_forbidden_namespace_is_named_and_the_others_go_on(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> None:
    account = service_account(namespace, "sidecar", EVERYTHING)
    async with following(account.kubeconfig(), [namespace, "kube-system"]) as source:
        now = await source.names()
        assert problems(now) == {Reason.FORBIDDEN}
        assert {problem.where for problem in now.problems} == {
            f"{kind} in namespace kube-system" for kind in ("Agent", "Peer", "Service")
        }
        assert set(now.unread) == {f"{kind}/kube-system/" for kind in ("Agent", "Peer", "Service")}
        cluster.api.create(peer(namespace, "weather", labels=LABELS))
        await source.names("weather")
        states = {(s.kind, s.namespace): (s.state, s.reason) for s in source.source.scopes()}
        assert states["Peer", "kube-system"] == (State.RETRYING, Reason.FORBIDDEN)
        assert states["Peer", namespace] == (State.FOLLOWING, None)


async def test_rights_taken_away_remove_nothing(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> None:
    cluster.api.create(peer(namespace, "weather", labels=LABELS))
    account = service_account(namespace, "sidecar", EVERYTHING)
    async with following(account.kubeconfig(), [namespace]) as source:
        await source.names("weather")
        account.bind([rule("", "services", "list watch")])
        cluster.restart(signal.SIGKILL)
        now = await source.until(lambda now: Reason.FORBIDDEN in problems(now), 60)
        assert [item.name for item in now.candidates] == ["weather"]


async def test_server_killed_and_back_loses_nothing(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    for name in ("a", "b"):
        cluster.api.create(peer(namespace, name, labels=LABELS))
    async with follow() as source:
        await source.names("a", "b")
        await source.watched()
        cluster.stop(signal.SIGKILL)
        now = await source.until(lambda now: Reason.API_UNREACHABLE in problems(now))
        assert len(now.candidates) == 2
        await in_thread(cluster.start)
        cluster.api.create(peer(namespace, "c", labels=LABELS))
        await source.names("a", "b", "c")
        await source.until(lambda now: not now.problems)
        assert all([c.name for c in now.candidates][:2] == ["a", "b"] for now in source.seen[3:])
        assert sum(scope.restarts for scope in source.source.scopes()) >= 3


async def test_start_without_a_server_is_incomplete(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    cluster.stop(signal.SIGKILL)
    async with follow() as source:
        now = await source.until(lambda now: Reason.API_UNREACHABLE in problems(now))
        assert not now.complete
        await in_thread(cluster.start)
        await source.names(seconds=60)


async def test_version_forgotten_by_the_server_is_listed_anew(
    own_cluster: Cluster,
) -> None:
    told: list[Reason] = []
    await in_thread(own_cluster.start)
    install_crd(own_cluster.api, PEERS)
    own_cluster.api.create(peer("default", "a", labels=LABELS))
    kubeconfig = own_cluster.kubeconfig
    async with following(kubeconfig, ["default"], restarted=told.append) as source:
        await source.names("a")
        await source.watched()
        own_cluster.stop(signal.SIGKILL)
        await source.until(lambda now: Reason.API_UNREACHABLE in problems(now))
        # It starts with nothing cached and no history: what happened meanwhile cannot be watched.
        own_cluster.compact()
        await in_thread(own_cluster.start)
        own_cluster.api.delete(peer("default", "a"))
        own_cluster.api.create(peer("default", "b", labels=LABELS))
        own_cluster.compact()
        await source.names("b", seconds=60)
    assert told


async def test_definition_that_comes_goes_and_comes_back(own_cluster: Cluster) -> None:
    await in_thread(own_cluster.start)
    api = own_cluster.api
    async with following(own_cluster.kubeconfig, ["default"]) as source:
        now = await source.names()
        assert now.problems == ()
        states = {scope.kind: scope.state for scope in source.source.scopes()}
        assert states["Peer"] == states["Agent"] == State.NOT_INSTALLED
        for file in (PEERS, AGENTS):
            install_crd(api, file)
        api.create(peer("default", "weather", labels=LABELS))
        api.create(agent("default", "sql", labels=LABELS))
        await source.names("sql", "weather")
        await in_thread(remove_crd, api, PEERS)
        await source.names("sql")
        install_crd(api, PEERS)
        api.create(peer("default", "again", labels=LABELS))
        await source.names("again", "sql")
        await source.until(lambda now: not now.problems)


async def test_cut_connections_go_on_where_they_were(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    proxy: Proxy,
    service_account: Callable[..., ServiceAccount],
) -> None:
    told: list[Reason] = []
    account = service_account(namespace, "sidecar", EVERYTHING)
    kubeconfig = account.kubeconfig(proxy.url)
    async with following(kubeconfig, [namespace], restarted=told.append) as source:
        await source.names()
        for name in ("a", "b", "c"):
            proxy.cut()
            cluster.api.create(peer(namespace, name, labels=LABELS))
            await source.until(
                lambda now, name=name: (
                    now.candidates[-1:][0].name == name if now.candidates else False
                )
            )
        assert set(told) <= {Reason.WATCH_CUT}
        assert [item.name for item in source.seen[-1].candidates] == ["a", "b", "c"]


async def test_black_hole_is_noticed_within_30_seconds(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    proxy: Proxy,
    service_account: Callable[..., ServiceAccount],
) -> None:
    account = service_account(namespace, "sidecar", EVERYTHING)
    told: list[Reason] = []
    noticed = asyncio.Event()

    def restarted(reason: Reason) -> None:
        told.append(reason)
        noticed.set()

    cluster.api.create(peer(namespace, "a", labels=LABELS))
    kubeconfig = account.kubeconfig(proxy.url)
    async with following(kubeconfig, [namespace], restarted=restarted) as source:
        await source.names("a")
        await source.watched()
        proxy.black_hole()
        async with asyncio.timeout(30):
            await noticed.wait()
        assert told[0] is Reason.WATCH_SILENT
        assert [item.name for item in source.seen[-1].candidates] == ["a"]
        cluster.api.create(peer(namespace, "b", labels=LABELS))
        proxy.heal()
        await source.names("a", "b", seconds=60)


async def test_revoked_token_then_a_new_one(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> None:
    account = service_account(namespace, "sidecar", EVERYTHING)
    kubeconfig = account.kubeconfig()
    cluster.api.create(peer(namespace, "a", labels=LABELS))
    async with following(kubeconfig, [namespace]) as source:
        await source.names("a")
        await in_thread(cluster.replace_signing_key)
        now = await source.until(lambda now: Reason.UNAUTHORIZED in problems(now), 60)
        assert [item.name for item in now.candidates] == ["a"]
        cluster.api.create(peer(namespace, "b", labels=LABELS))
        account.renew()
        account.kubeconfig()
        await source.names("a", "b")


async def test_burst_is_taken_together(cluster: Cluster, namespace: str, follow: Follow) -> None:
    async with follow() as source:
        await source.names()
        before = len(source.seen)
        names = [f"p{number:03}" for number in range(500)]
        made = [peer(namespace, name, labels=LABELS) for name in names]
        await in_thread(cluster.api.create_all, made, 8)
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
            await in_thread(step, number)
        async with follow() as other:
            fresh = content(await other.until(lambda now: now.complete and not now.unread))
        await source.until(lambda now: content(now) == fresh)


def content(now: Snapshot) -> dict[str, object]:
    return {candidate.source: candidate for candidate in now.candidates}
