"""What the console watches, in all namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..base.problems import Problem
from ..base.reasons import Reason
from ..base.scope import State
from ..kube.client import Client
from ..kube.informer.kind import Kind, Version
from ..kube.informer.scope import Scope
from ..overview.summary import read_orchestrator
from ..spawnpolicy.stamps import SPAWNED
from .records import (
    read_peer_record,
    read_policy_record,
    read_spawned_record,
)
from .world import World

_HOTPEERS, _KAGENT, _GATEWAY = "hotpeers.dev", "kagent.dev", "api.kagent.dev"


def _kind(
    name: str, group: str, plural: str, versions: str, read: Callable[[Any], Any]
) -> Kind[Any]:
    return Kind(name, group, plural, tuple(Version(one, read) for one in versions.split()))


KINDS = (
    _kind("Orchestrator", _HOTPEERS, "orchestrators", "v1alpha1", read_orchestrator),
    _kind("Peer", _HOTPEERS, "peers", "v1alpha1", read_peer_record),
    _kind("SpawnPolicy", _HOTPEERS, "spawnpolicies", "v1alpha1", read_policy_record),
    _kind("Agent", _KAGENT, "agents", "v1alpha2 v1alpha1", read_spawned_record),
    _kind("Agent.api.kagent.dev", _GATEWAY, "agents", "v1alpha3", read_spawned_record),
)
_WORLDS = {"spawnpolicies": "policies"}


class ClusterWatch:
    """Watches until cancelled, and keeps `world`. Of Agents, only spawned ones are read."""

    def __init__(self, client: Client, world: World, restarted: Callable[[Reason], None]) -> None:
        self._world = world
        self._logged: tuple[str, ...] | None = None
        self._scopes: list[Scope[Any]] = [
            Scope(
                client,
                kind,
                "",
                {"labelSelector": f"{SPAWNED}=true"} if kind.plural == "agents" else {},
                changed=self._changed,
                restarted=restarted,
                noted=world.noter(_WORLDS.get(kind.plural, kind.plural), kind.group),
            )
            for kind in KINDS
        ]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes:
                group.create_task(scope.follow(), name=f"follow {scope.title}")

    @property
    def complete(self) -> bool:
        """Whether everything was listed once."""
        return all(scope.listed for scope in self._scopes)

    def problems(self) -> tuple[Problem, ...]:
        """Why something cannot be followed now."""
        return tuple(scope.problem for scope in self._scopes if scope.problem is not None)

    def missing(self) -> tuple[str, ...]:
        """The kinds of hotpeers that the cluster does not have. Those of kagent may be missing."""
        return tuple(
            scope.kind.name
            for scope in self._scopes
            if scope.kind.group == _HOTPEERS and scope.status().state is State.NOT_INSTALLED
        )

    def _changed(self) -> None:
        # The store reports changed records itself; here, only the state of the watches is compared.
        now = (*map(str, self.problems()), *self.missing(), str(self.complete))
        if now != self._logged:
            self._logged = now
            self._world.touch()
