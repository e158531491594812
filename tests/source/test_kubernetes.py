"""The cluster source on a real API server: what it yields, and what it never loses."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.client import Access as Identity
from cluster.resources import agent, peer, set_ready
from cluster.server import Cluster
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.source.kubernetes import KubernetesSource
from source.following import Following

LABELS = {"hotpeers.dev/peer": "true"}

Follow = Callable[..., AbstractAsyncContextManager[Following]]


@pytest.fixture
def follow(cluster: Cluster, namespace: str, crds: list[str], tmp_path: Path) -> Follow:
    @asynccontextmanager
    async def following(access: Identity | None = None, **how: Any) -> AsyncIterator[Following]:
        kubeconfig = (access or cluster.access).write_kubeconfig(tmp_path / "kubeconfig")
        reach = Access(str(kubeconfig))
        async with Client(reach, await connect(reach)) as client:
            asked = {
                "selector": "hotpeers.dev/peer=true",
                "namespaces": [namespace],
                "home": namespace,
                **how,
            }
            async with Following(KubernetesSource(client, **asked)) as made:
                yield made

    return following


async def test_objects_come_change_and_go(cluster: Cluster, namespace: str, follow: Follow) -> None:
    api = cluster.api
    async with follow() as source:
        await source.names()
        api.create(peer(namespace, "weather", "http://weather:8080", labels=LABELS))
        await source.names("weather")
        api.create(agent(namespace, "sql", labels=LABELS))
        found = await source.names("sql", "weather")
        print(found)
        api.delete(peer(namespace, "weather"))
        await source.names("sql")
        set_ready(api, agent(namespace, "sql"))
        await source.until(lambda now: bool(now.candidates[0].ready))
    print(source.source.scopes())
