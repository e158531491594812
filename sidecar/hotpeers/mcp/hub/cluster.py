"""What the hub watches: the candidates of all namespaces, Orchestrators, Namespaces and its key."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import text
from ...base.problems import Problem
from ...base.reasons import Reason
from ...base.scope import ScopeStatus
from ...kube.client import Client
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ...model.gateway import DEFAULT_GATEWAY
from ...model.hub_token import read_key
from ...model.orchestrator import Orchestrator, read_orchestrator
from ...model.snapshot import Snapshot
from ...sidecar.sources.kubernetes import KubernetesSource
from ..reasons import McpReason
from .view import Home, read_home

logger = logging.getLogger(__name__)

ORCHESTRATOR = Kind[Orchestrator](
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_orchestrator),)
)
_NAMESPACE = Kind[Home]("Namespace", "", "namespaces", (Version("v1", read_home),))
KEY, PREVIOUS = "key", "previous"
"""The entries of the key's Secret. The hub accepts tokens of both keys, and makes those of `KEY`."""


def read_keys(data: Any) -> tuple[bytes, ...]:
    """The keys in a Secret, the current one first. An entry that is not a key is left out."""
    keys = []
    for name in (KEY, PREVIOUS):
        try:
            raw = base64.b64decode(text(data, "data", name), validate=True)
        except (ValueError, binascii.Error):
            continue
        found = read_key(raw)
        if found is not None:
            keys.append(found)
    return tuple(keys)


_SECRET = Kind[tuple[bytes, ...]]("Secret", "", "secrets", (Version("v1", read_keys),))


class ClusterWatch:
    """Watches until cancelled. `news` is set after each change.

    `restarted` is called with the reason each time a watch ends with an error. `gateway` is the URL at
    which the Agents of kagent 1.x are called.
    """

    def __init__(
        self,
        client: Client,
        *,
        selector: str,
        key_secret: NamespacedName,
        gateway: str = DEFAULT_GATEWAY,
        restarted: Callable[[Reason], None] = lambda _: None,
    ) -> None:
        self.news = asyncio.Event()
        self.snapshot: Snapshot | None = None
        self._key_secret = key_secret
        self._source = KubernetesSource(
            client, selector=selector, namespaces=(), home="", gateway=gateway, restarted=restarted
        )

        def scope(kind: Kind[Any], namespace: str, params: dict[str, str]) -> Scope[Any]:
            return Scope(
                client, kind, namespace, params, changed=self.news.set, restarted=restarted
            )

        self._orchestrators: Scope[Orchestrator] = scope(ORCHESTRATOR, "", {})
        self._homes: Scope[Home] = scope(_NAMESPACE, "", {})
        named = {"fieldSelector": f"metadata.name={key_secret.name}"}
        self._keys: Scope[tuple[bytes, ...]] = scope(_SECRET, key_secret.namespace, named)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes():
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._follow_source(), name="source")

    async def _follow_source(self) -> None:
        async with aclosing(self._source.snapshots()) as snapshots:
            async for snapshot in snapshots:
                self.snapshot = snapshot
                self.news.set()

    @property
    def complete(self) -> bool:
        """Whether everything was listed once, so that a missing object does not exist."""
        listed = all(scope.listed for scope in self._scopes())
        return listed and self.snapshot is not None and self.snapshot.complete

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The hub's keys, the current one first; empty while there is none."""
        return next(self._keys.store.values(), ())

    def orchestrators(self) -> Iterator[Orchestrator]:
        """The Orchestrators that use the hub."""
        return (one for one in self._orchestrators.store.values() if one.uses_hub)

    def homes(self) -> dict[str, Home]:
        """All Namespaces by name."""
        return {home.name: home for home in self._homes.store.values()}

    def scopes(self) -> tuple[ScopeStatus, ...]:
        """The state of each watch."""
        return (*(scope.status() for scope in self._scopes()), *self._source.scopes())

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        found = [scope.problem for scope in self._scopes() if scope.problem is not None]
        found += [*self._orchestrators.store.problems()]
        if self._keys.listed and not self.keys:
            message = (
                f"its entry {KEY!r} must have 64 hexadecimal digits; the controller writes it if "
                "the Secret exists"
            )
            where = f"Secret/{self._key_secret}"
            found.append(Problem(where, McpReason.KEY_MISSING, message))
        source = self.snapshot.problems if self.snapshot is not None else ()
        return (*found, *source)

    def _scopes(self) -> tuple[Scope[Any], ...]:
        return (self._orchestrators, self._homes, self._keys)
