"""The hub as the chart installs it: two replicas, a token from a Secret, and pods of kagent as peers."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from e2e.kagent import sub_agent
from e2e.pods import list_pods
from e2e.release import NAMESPACE, Release
from e2e.stage import PEER_LABEL, Stage
from kit.apiserver.client import Object
from kit.apiserver.resources import orchestrator
from kit.waiting import until, until_async

HUB = {"app.kubernetes.io/name": "hotpeers", "app.kubernetes.io/component": "hub"}
REPLICAS = 2


@asynccontextmanager
async def client_of(address: str, token: str) -> AsyncIterator[Client]:
    headers = {"X-Hotpeers-Token": token}
    url = f"http://{address}:8092/mcp"
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
    ):
        yield client


async def ask(client: Client, message: str, **more: str) -> str:
    arguments = {"agent": "weather", "message": message, **more}
    result: Any = await client.call_tool("ask_agent", arguments)
    return str(result.content[0].text)


async def answer_of(client: Client, message: str) -> str:
    """The answer, once the peer is offered and reachable."""
    async with asyncio.timeout(90):
        while "It stays dry." not in (said := await ask(client, message)):
            await asyncio.sleep(0.2)
    return said


async def test_orchestrator_gets_a_token_and_its_peers_and_survives_the_loss_of_a_replica(
    stage: Stage, release: Release
) -> None:
    api = stage.api
    lead = api.create(orchestrator(stage.namespace, "lead"))

    def status() -> Object:
        return dict(api.read(lead).get("status", {}))

    def conditions() -> dict[str, str]:
        return {one["type"]: one["status"] for one in status().get("conditions", ())}

    wanted = {"Ready": "True", "ToolServer": "True"}
    until("its token", lambda: wanted.items() <= conditions().items(), 60)
    path = f"/api/v1/namespaces/{stage.namespace}/secrets/lead-hotpeers-token"
    data = api.request("GET", path)["data"]
    token = base64.b64decode(data["token"]).decode()
    until("the replicas", lambda: len(ready(release)) == REPLICAS, 90)

    weather = sub_agent(stage.namespace, "weather", "It stays dry.", **{PEER_LABEL: "true"})
    stage.create(weather)
    stage.start_created(weather)
    first, second = ready(release)
    async with client_of(first.address, token) as client:
        said = await answer_of(client, "will it rain?")
        found = re.search(r'conversation="([^"]+)"', said)
        assert found
        api.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{first.name}")
    async with client_of(second.address, token) as client:
        again = await ask(client, "and tomorrow?", conversation=found.group(1))
        assert "It stays dry." in again
        stage.label(weather, **{PEER_LABEL: None})
        async with asyncio.timeout(60):
            while "AgentUnknown" not in await ask(client, "will it rain?"):
                await asyncio.sleep(0.1)
    await until_async("its status", lambda: status().get("peers") == 0, 30)
    until("the replica to be replaced", lambda: len(ready(release)) == REPLICAS, 90)


def ready(release: Release) -> list[Any]:
    pods = list_pods(release.api, NAMESPACE, HUB)
    return [one for one in pods if one.is_ready and not one.is_ending]
