"""What the guard reads of a cluster at the moment of a request, because it must not be old."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Literal

from ...guard.known import Known, read_agent, read_known_policy
from ...guard.request import AGENT_GROUP, AGENT_RESOURCE, AGENT_VERSION
from ...guard.stamps import part
from ...kube.client import Client
from ...kube.errors import ForbiddenError, KubeError, NotFoundError

_AGENTS = f"/apis/{AGENT_GROUP}/{AGENT_VERSION}"
_POLICIES = "/apis/hotpeers.dev/v1alpha1"
_AGENT = ("Agent", _AGENTS, AGENT_RESOURCE)
# What kagent makes for an Agent, with its name, and overwrites without a look at whose it is.
_OVERWRITTEN = (
    ("ServiceAccount", "/api/v1", "serviceaccounts"),
    ("Service", "/api/v1", "services"),
    ("Deployment", "/apis/apps/v1", "deployments"),
)
_FORBIDDEN_SECONDS = 60.0
_PROBE = "hotpeers-no-such-secret"


class Live:
    """Reads. Every method raises `KubeError` where the API server does not tell."""

    def __init__(self, client: Client, secrets: Literal["auto", "true", "false"] = "auto") -> None:
        self._client = client
        self._secrets = secrets
        self._secrets_at = 0.0
        self.checks_secrets: bool | None = None if secrets == "auto" else secrets == "true"
        """Whether Secrets are looked for; None as long as that is not known."""

    async def watch_rights(self, namespace: str) -> None:
        """Find out for ever whether Secrets may be read, for the status of policies."""
        while self._secrets == "auto":
            with suppress(KubeError):
                try:
                    await self._has(f"/api/v1/namespaces/{namespace}/secrets/{_PROBE}")
                    self.checks_secrets = True
                except ForbiddenError:
                    self.checks_secrets = False
            await asyncio.sleep(_FORBIDDEN_SECONDS)

    async def occupied(self, namespace: str, name: str, *, known: bool) -> tuple[str, ...]:
        """The kinds of objects that have this name, and that kagent would overwrite.

        An Agent is looked for only if it is `known`: another the API server itself does not replace.
        """
        kinds = (_AGENT, *_OVERWRITTEN) if known else _OVERWRITTEN
        checks = [
            self._has(f"{base}/namespaces/{namespace}/{plural}/{name}") for _, base, plural in kinds
        ]
        *found, secret = await asyncio.gather(*checks, self._has_secret(namespace, name))
        there = [kind for (kind, _, _), one in zip(kinds, found, strict=True) if one]
        return (*there, "Secret") if secret else tuple(there)

    async def account(self, namespace: str, name: str) -> Any | None:
        """The metadata of a ServiceAccount, as an object; None where there is none."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        try:
            return {"metadata": await self._client.metadata(path)}
        except NotFoundError:
            return None

    async def agent_spec(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The spec of an Agent; None where there is none."""
        try:
            found = await self._client.get(f"{_AGENTS}/namespaces/{namespace}/agents/{name}")
        except NotFoundError:
            return None
        return part(found, "spec") or None

    async def known_in(self, namespace: str) -> Known:
        """All agents and policies of one namespace, as they are now."""
        agents, policies = await asyncio.gather(
            self._items(f"{_AGENTS}/namespaces/{namespace}/agents"),
            self._items(f"{_POLICIES}/namespaces/{namespace}/spawnpolicies"),
        )
        return Known(map(read_agent, agents), (read_known_policy(one).policy for one in policies))

    async def _items(self, path: str) -> list[Any]:
        try:
            found = await self._client.get(path)
        except NotFoundError:
            return []
        items = found.get("items") if isinstance(found, dict) else None
        if not isinstance(items, list):
            raise KubeError("a list could not be read")
        return items

    async def _has(self, path: str) -> bool:
        try:
            await self._client.metadata(path)
        except NotFoundError:
            return False
        return True

    async def _has_secret(self, namespace: str, name: str) -> bool:
        """Whether a Secret has the name.

        Where it must be known, a 403 is an error like any other, and nothing is admitted. Else the
        status of each policy says that it is not looked for.
        """
        if self._secrets == "false" or time.monotonic() < self._secrets_at:
            return False
        try:
            return await self._has(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except ForbiddenError:
            if self._secrets == "true":
                raise
            self.checks_secrets = False
            self._secrets_at = time.monotonic() + _FORBIDDEN_SECONDS
            return False
