"""The cluster source through what happens to servers, connections, tokens and definitions."""

import asyncio
import signal
from collections.abc import Callable

from cluster.sidecar.sources.following import EVERYTHING, LABELS, Follow, following, problems
from hotpeers.base.reasons import Reason
from hotpeers.base.scope import State
from hotpeers.kube.reasons import KubeReason
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.proxy import Proxy
from kit.apiserver.resources import AGENTS, PEERS, agent, install_crd, peer, remove_crd
from kit.apiserver.server import Cluster


async def test_restarted_server_loses_no_peer(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    for name in ("a", "b"):
        cluster.api.create(peer(namespace, name, labels=LABELS))
    async with follow() as source:
        await source.names("a", "b")
        await source.watched()
        cluster.stop(signal.SIGKILL)
        now = await source.until(lambda now: KubeReason.API_UNREACHABLE in problems(now))
        assert len(now.candidates) == 2
        await asyncio.to_thread(cluster.start)
        cluster.api.create(peer(namespace, "c", labels=LABELS))
        await source.names("a", "b", "c")
        await source.until(lambda now: not now.problems)
        assert all([c.name for c in now.candidates][:2] == ["a", "b"] for now in source.seen[3:])
        await source.restarted(3)


async def test_start_without_a_server_is_incomplete(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    cluster.stop(signal.SIGKILL)
    async with follow() as source:
        now = await source.until(lambda now: KubeReason.API_UNREACHABLE in problems(now))
        assert not now.complete
        await asyncio.to_thread(cluster.start)
        await source.names(seconds=60)


async def test_expired_resource_version_causes_a_new_list(
    own_cluster: Cluster,
) -> None:
    told: list[Reason] = []
    await asyncio.to_thread(own_cluster.start)
    install_crd(own_cluster.api, PEERS)
    own_cluster.api.create(peer("default", "a", labels=LABELS))
    kubeconfig = own_cluster.kubeconfig
    async with following(kubeconfig, ["default"], restarted=told.append) as source:
        await source.names("a")
        await source.watched()
        own_cluster.stop(signal.SIGKILL)
        await source.until(lambda now: KubeReason.API_UNREACHABLE in problems(now))
        # It starts with nothing cached and no history: what happened meanwhile cannot be watched.
        own_cluster.compact()
        await asyncio.to_thread(own_cluster.start)
        own_cluster.api.delete(peer("default", "a"))
        own_cluster.api.create(peer("default", "b", labels=LABELS))
        own_cluster.compact()
        await source.names("b", seconds=60)
    assert told


async def test_crd_is_followed_when_installed_removed_and_reinstalled(own_cluster: Cluster) -> None:
    await asyncio.to_thread(own_cluster.start)
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
        await asyncio.to_thread(remove_crd, api, PEERS)
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
        assert set(told) <= {KubeReason.WATCH_CUT}
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
        # And ten more for a machine that is busy.
        async with asyncio.timeout(30 + 10):
            await noticed.wait()
        assert told[0] is KubeReason.WATCH_SILENT
        assert [item.name for item in source.seen[-1].candidates] == ["a"]
        cluster.api.create(peer(namespace, "b", labels=LABELS))
        proxy.heal()
        await source.names("a", "b", seconds=60)


async def test_source_recovers_from_a_revoked_token(
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
        await asyncio.to_thread(cluster.replace_signing_key)
        now = await source.until(lambda now: KubeReason.UNAUTHORIZED in problems(now), 60)
        assert [item.name for item in now.candidates] == ["a"]
        cluster.api.create(peer(namespace, "b", labels=LABELS))
        account.renew()
        account.kubeconfig()
        await source.names("a", "b")
