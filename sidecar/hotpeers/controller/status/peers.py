"""Writes the status of each Peer from the statuses of the Orchestrators. Only the leader does this."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...model.orchestrator import API_VERSION
from ..election import LeaderClient
from ..reconciler import Reconciler
from .offers import (
    SETTLE_SECONDS,
    Offers,
    PeerObject,
    read_offers,
    read_peer_object,
    status_change,
    tallies,
)

_PEER = Kind[PeerObject]("Peer", "hotpeers.dev", "peers", (Version("v1alpha1", read_peer_object),))
_ORCHESTRATOR = Kind[Offers](
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_offers),)
)
PACE_SECONDS = 5.0
"""The shortest time between two passes over all Peers."""
_GATHER_SECONDS = 0.5
_REST_SECONDS = 30.0
_OF_ONE_OBJECT = frozenset({400, 403, 409, 422})
"""Answers that say nothing about other Peers: another webhook or an old object may cause them."""
_PAUSE_SECONDS = 0.05
"""After each write: a new orchestrator may change thousands of Peers."""


class PeerStatuses:
    """Works while this replica leads."""

    def __init__(self, client: Client, writer: LeaderClient) -> None:
        self._writer = writer
        self._reconciler: Reconciler[NamespacedName] = Reconciler(
            "keep statuses of Peers", self._pass, resync=SETTLE_SECONDS, gather=_GATHER_SECONDS
        )
        self._peers = self._reconciler.watch(client, _PEER)
        self._offers = self._reconciler.watch(client, _ORCHESTRATOR)
        self._failure: Problem | None = None

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        failure = [self._failure] if self._failure is not None else []
        return (*self._reconciler.problems(), *failure)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._reconciler.run()

    async def _pass(self) -> None:
        """Write what has changed, and rest."""
        found, complete = tallies(list(self._offers.store.values()))
        now = datetime.now(UTC)
        changes = []
        for peer in self._peers.store.values():
            tally = found.get(peer.key)
            if change := status_change(peer.status, tally, complete=complete, now=now):
                changes.append((peer, change))
        self._failure = await self._write(changes)
        await asyncio.sleep(PACE_SECONDS if self._failure is None else _REST_SECONDS)

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
