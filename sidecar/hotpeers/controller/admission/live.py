"""Reads that the guard makes during a request, where the watch cache may be too old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

from ...base.parts import part
from ...kube.client import Client
from ...kube.errors import ForbiddenError, KubeError, NotFoundError
from ...spawnpolicy.known import Known, read_agent, read_known_policy
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.request import AGENT_GROUP, AGENT_RESOURCE, AGENT_VERSION

_AGENTS = f"/apis/{AGENT_GROUP}/{AGENT_VERSION}"
_POLICIES = "/apis/hotpeers.dev/v1alpha1"
_AGENT = ("Agent", _AGENTS, AGENT_RESOURCE)
# kagent creates these objects for an Agent, with its name. It overwrites an existing object
# without a check of its owner.
_OVERWRITTEN = (
    ("ServiceAccount", "/api/v1", "serviceaccounts"),
    ("Service", "/api/v1", "services"),
    ("Deployment", "/apis/apps/v1", "deployments"),
)
_FORBIDDEN_SECONDS = 60.0
_PROBE = "hotpeers-no-such-secret"
_AT_MOST = 500
_PAUSE_SECONDS = 0.1


class TooManyError(KubeError):
    """A namespace has more objects than one request may read."""


class _Turns:
    """Runs one read at a time. All callers that came before a read began share its result."""

    def __init__(self, read: Callable[[], Awaitable[Known]]) -> None:
        self._read = read
        self._coming: asyncio.Task[Known] | None = None
        self._running: asyncio.Task[Known] | None = None

    @property
    def idle(self) -> bool:
        """Whether no read is running or waiting."""
        return self._coming is None and (self._running is None or self._running.done())

    async def next(self) -> Known:
        """The result of a read that begins after this call."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._turn(self._running), name="read namespace")
        # A caller that is cancelled must not cancel the read of the others.
        return await asyncio.shield(self._coming)

    async def _turn(self, before: asyncio.Task[Known] | None) -> Known:
        if before is not None:
            await asyncio.wait([before])
            # Pause, so that a namespace with constant requests leaves time for the others.
            await asyncio.sleep(_PAUSE_SECONDS)
        self._running, self._coming = self._coming, None
        return await self._read()


class Live:
    """Reads from the API server. Every method raises `KubeError` if a read fails."""

    def __init__(self, client: Client, secrets: Literal["auto", "true", "false"] = "auto") -> None:
        self._client = client
        self._secrets = secrets
        self._secrets_at = 0.0
        self.checks_secrets: bool | None = None if secrets == "auto" else secrets == "true"
        """Whether names of Secrets are checked; None until that is known."""
        self._lists: dict[str, _Turns] = {}

    async def watch_rights(self, namespace: str) -> None:
        """Test again and again whether Secrets may be read, for the status of policies."""
        while self._secrets == "auto":
            with suppress(KubeError):
                try:
                    await self._has(f"/api/v1/namespaces/{namespace}/secrets/{_PROBE}")
                    self.checks_secrets = True
                except ForbiddenError:
                    self.checks_secrets = False
            await asyncio.sleep(_FORBIDDEN_SECONDS)

    async def occupied(self, namespace: str, name: str, *, known: bool) -> tuple[str, ...]:
        """The kinds of existing objects with this name that kagent would overwrite.

        An Agent is checked only if it is `known`. If it is not, the API server itself rejects a
        second Agent with the name.
        """
        kinds = (_AGENT, *_OVERWRITTEN) if known else _OVERWRITTEN
        checks = [
            self._has(f"{base}/namespaces/{namespace}/{plural}/{name}") for _, base, plural in kinds
        ]
        *found, secret = await asyncio.gather(*checks, self._has_secret(namespace, name))
        there = [kind for (kind, _, _), one in zip(kinds, found, strict=True) if one]
        return (*there, "Secret") if secret else tuple(there)

    async def account(self, namespace: str, name: str) -> Any | None:
        """A ServiceAccount as an object with `metadata` only; None if it does not exist."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        try:
            return {"metadata": await self._client.metadata(path)}
        except NotFoundError:
            return None

    async def agent_spec(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The spec of an Agent; None if it does not exist."""
        try:
            found = await self._client.get(f"{_AGENTS}/namespaces/{namespace}/agents/{name}")
        except NotFoundError:
            return None
        return part(found, "spec") or None

    async def known_in(self, namespace: str) -> Known:
        """All agents and policies of one namespace, read after this call.

        Concurrent callers share the lists. Raises `TooManyError` if the namespace has more objects
        than one request may read.
        """
        turns = self._lists.get(namespace)
        if turns is None:
            # Drop the entries without a running or waiting read.
            self._lists = {key: one for key, one in self._lists.items() if not one.idle}
            turns = self._lists[namespace] = _Turns(lambda: self._list(namespace))
        return await turns.next()

    async def agent(self, namespace: str, name: str) -> KnownAgent | None:
        """One Agent; None if it does not exist."""
        try:
            found = await self._client.get(f"{_AGENTS}/namespaces/{namespace}/agents/{name}")
        except NotFoundError:
            return None
        return read_agent(found)

    async def _list(self, namespace: str) -> Known:
        agents, policies = await asyncio.gather(
            self._items(f"{_AGENTS}/namespaces/{namespace}/agents"),
            self._items(f"{_POLICIES}/namespaces/{namespace}/spawnpolicies"),
        )
        return Known(map(read_agent, agents), (read_known_policy(one).policy for one in policies))

    async def _items(self, path: str) -> list[Any]:
        try:
            found = await self._client.get(path, {"limit": str(_AT_MOST)})
        except NotFoundError:
            return []
        items = found.get("items") if isinstance(found, dict) else None
        if not isinstance(items, list):
            raise KubeError("a list could not be read")
        if part(found, "metadata").get("continue"):
            raise TooManyError(f"{path}: more than {_AT_MOST} objects")
        return items

    async def _has(self, path: str) -> bool:
        try:
            await self._client.metadata(path)
        except NotFoundError:
            return False
        return True

    async def _has_secret(self, namespace: str, name: str) -> bool:
        """Whether a Secret has the name.

        If the check is required ("true"), a 403 is an error like any other, and nothing is
        admitted. If not, the status of each policy reports that Secrets are not checked.
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
