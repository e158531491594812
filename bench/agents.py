"""A thousand Agents, half of whose cards cannot be read: for `source.py`.

An Agent is called at the name of its Service, which this machine cannot resolve. So the cards of the
reachable half come through an HTTP proxy, which is the server of the cards. The others are, in turn,
names that nobody knows (they bypass the proxy), servers that close the connection, and silent ones.
"""

import asyncio

import aiohttp

from floor import connector
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import condition
from scene import LABEL, create, described
from size import K8S_SIDECAR, MAPS, Size

AGENTS = "/apis/kagent.dev/v1alpha2/namespaces/{}/agents"
EVERYWHERE = "/apis/kagent.dev/v1alpha2/agents"
KINDS = ("agent", "nameless", "agent", "closed", "agent", "silent")
_AT_ONCE = 16


class Agents(Size):
    """The measurement with kagent's Agents, in two namespaces: one is reached through a proxy."""

    def __init__(self, cluster, size, folder, cards):
        super().__init__(cluster, size, folder, cards)
        self.path = EVERYWHERE
        self.lost = f"{self.namespace}-lost"
        self.namespaces = f"{self.namespace},{self.lost}"
        self.peers = [self._agent(number) for number in range(size)]
        self.readable = sum(KINDS[number % len(KINDS)] == "agent" for number in range(size))
        self.environ = {
            "HTTP_PROXY": f"http://127.0.0.1:{cards}",
            "http_proxy": f"http://127.0.0.1:{cards}",
            "NO_PROXY": f".{self.lost}",
            "no_proxy": f".{self.lost}",
        }

    def _agent(self, number):
        kind = KINDS[number % len(KINDS)]
        return {
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "metadata": {
                "name": f"{kind}-{number}",
                "namespace": self.lost if kind == "nameless" else self.namespace,
                "labels": {LABEL: "true"},
            },
            "spec": {
                "type": "Declarative",
                "declarative": {},
                "allowedNamespaces": {"from": "All"},
                "description": described(number, "first"),
            },
        }

    def fill(self):
        for namespace in (self.namespace, self.lost):
            create_namespace(self.cluster.api, namespace)
            mine = [one for one in self.peers if one["metadata"]["namespace"] == namespace]
            asyncio.run(create(self.cluster.kubeconfig, AGENTS.format(namespace), mine))
        asyncio.run(self._make_ready())
        if K8S_SIDECAR:
            asyncio.run(create(self.cluster.kubeconfig, MAPS.format(self.namespace), self.maps))

    async def _make_ready(self):
        server, connection = connector(self.cluster.kubeconfig)
        slots = asyncio.Semaphore(_AT_ONCE)
        body = {"status": {"conditions": [condition("Ready")]}}
        headers = {"Content-Type": "application/merge-patch+json"}
        async with aiohttp.ClientSession(connector=connection, headers=headers) as session:

            async def patch(item):
                about = item["metadata"]
                path = f"{AGENTS.format(about['namespace'])}/{about['name']}/status"
                async with slots, session.patch(server + path, json=body) as answer:
                    if answer.status != 200:
                        raise SystemExit(f"{path}: {answer.status} {await answer.text()}")

            await asyncio.gather(*map(patch, self.peers))
