"""Computes S of an Agent's config-hash: reads the Agent, its models and its tool servers."""

from __future__ import annotations

import asyncio

from ...base.parts import Json, part, text
from ...hold.secrets import SERVERS, SecretsError, Source, audience_of, secrets_of, sources_of
from ...hold.workload import HeldDeployment
from ..election import LeaderClient

_BASE = "/apis/kagent.dev/v1alpha2/namespaces"


async def read_secrets(client: LeaderClient, deployment: HeldDeployment) -> str:
    """S in hexadecimal. Raises `KubeError` if a read fails, `SecretsError` for other causes.

    No Secret is read: kagent writes a digest of each Secret into the status of the object that
    refers to it.
    """
    owner = deployment.owner
    if owner is None:
        raise SecretsError("it is not one of kagent's")
    agent = await client.get(f"{_BASE}/{deployment.namespace}/agents/{owner.name}")
    if text(agent, "metadata", "uid") != owner.uid:
        raise SecretsError("its Agent was replaced by another one")
    sources = sources_of(agent)
    distinct = list(dict.fromkeys(sources))
    limit = asyncio.Semaphore(4)

    async def read(source: Source) -> str:
        async with limit:
            return await _hash(client, source, deployment.namespace)

    async with asyncio.TaskGroup() as group:
        tasks = {one: group.create_task(read(one)) for one in distinct}
    return secrets_of([(one, tasks[one].result()) for one in sources])


async def _hash(client: LeaderClient, source: Source, asking: str) -> str:
    found = await client.get(f"{_BASE}/{source.namespace}/{source.plural}/{source.name}")
    if source.plural == SERVERS and source.namespace != asking:
        await _check(client, found, source, asking)
    return text(found, "status", "secretHash")


async def _check(client: LeaderClient, server: Json, source: Source, asking: str) -> None:
    audience = audience_of(server)
    labels = None
    if audience.selector is not None:
        namespace = await client.get(f"/api/v1/namespaces/{asking}")
        found = part(namespace, "metadata", "labels")
        labels = {str(key): str(value) for key, value in found.items()}
    if not audience.admits(asking, source.namespace, labels):
        where = f"{source.namespace}/{source.name}"
        raise SecretsError(f"RemoteMCPServer {where} does not invite namespace {asking}")
