"""Writes the status of each Peer from the statuses of the Orchestrators. Only the leader does this."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ...model.orchestrator import API_VERSION
from ..election import LeaderClient
from .offers import Offers, PeerObject, read_offers, read_peer_object, standings, status_change

logger = logging.getLogger(__name__)

_PEER = Kind[PeerObject]("Peer", "hotpeers.dev", "peers", (Version("v1alpha1", read_peer_object),))
_ORCHESTRATOR = Kind[Offers](
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_offers),)
)
PACE_SECONDS = 5.0
"""The shortest time between two passes over all Peers."""
_GATHER_SECONDS = 0.5
_LOOK_SECONDS = 60.0
_REST_SECONDS = 30.0
_OF_ONE_OBJECT = frozenset({400, 403, 409, 422})
"""Answers that say nothing about other Peers: another webhook or an old object may cause them."""
_PAUSE_SECONDS = 0.05
"""After each write: a new orchestrator may change thousands of Peers."""


class PeerStatuses:
    """Works while this replica leads."""

    def __init__(self, client: Client, writer: LeaderClient) -> None:
        self._writer = writer
        self._news = asyncio.Event()
        self._peers: Scope[PeerObject] = self._scope(client, _PEER)
        self._offers: Scope[Offers] = self._scope(client, _ORCHESTRATOR)
        self._failure: Problem | None = None

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        unread = [one.problem for one in (self._peers, self._offers) if one.problem is not None]
        return (*unread, *([self._failure] if self._failure is not None else []))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in (self._peers, self._offers):
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._keep(), name="keep statuses of Peers")

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._news.clear()
            if self._peers.listed and self._offers.listed:
                await asyncio.sleep(await self._pass())

    async def _pass(self) -> float:
        """Write what has changed. Returns the seconds to wait before the next pass."""
        found, complete = standings(list(self._offers.store.values()))
        changes = [
            (peer, change)
            for peer in list(self._peers.store.values())
            if (change := status_change(peer.status, found.get(peer.key), complete=complete))
        ]
        self._failure = await self._write(changes)
        return PACE_SECONDS if self._failure is None else _REST_SECONDS

    async def _write(self, changes: Iterable[tuple[PeerObject, dict[str, Any]]]) -> Problem | None:
        """Write all changes, as far as they can be. Returns the first problem."""
        problem: Problem | None = None
        for peer, change in changes:
            namespace, name = peer.key
            path = f"/apis/{API_VERSION}/namespaces/{namespace}/peers/{name}"
            try:
                await self._writer.patch(f"{path}/status", {"status": change})
            except NotFoundError:
                continue  # it was deleted, and the watch will report it
            except KubeError as error:
                todo = " (is the CRD older than the controller?)" if error.status == 422 else ""
                message = f"statuses of Peers cannot be written: {error}{todo}"
                problem = problem or Problem(f"Peer/{peer.key}", error.reason, message)
                if error.status not in _OF_ONE_OBJECT:
                    break
            await asyncio.sleep(_PAUSE_SECONDS)
        return problem

    def _scope(self, client: Client, kind: Kind[Any]) -> Scope[Any]:
        changed: Callable[[], None] = self._news.set
        return Scope(client, kind, "", {}, changed=changed, restarted=lambda _: None)
