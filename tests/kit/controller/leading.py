"""The leader's duties for the guard, and spawned agents for it to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hotpeers.controller.admission.knowledge import Knowledge
from hotpeers.controller.duties import GuardDuties, Telling
from hotpeers.controller.election import LeaderClient
from hotpeers.controller.quota.reservations import Reservations, Timing
from hotpeers.controller.webhook_config.accounts import Governed
from hotpeers.controller.webhook_config.matching import Patience
from hotpeers.spawnpolicy.stamps import (
    ACCOUNT,
    DEPTH,
    EXPIRES,
    POLICY,
    SPAWNED,
    SPAWNED_BY,
    UID,
    written,
)
from kit.apiserver.client import Api, Object
from kit.apiserver.resources import agent
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of, running

SPAWN_POLICIES = Path(__file__).parents[3] / "k8s/crds/spawnpolicies.hotpeers.dev.yaml"
LIMITS = {
    "maxAgents": 10,
    "creates": {"count": 100, "window": "1h"},
    "ttl": {"default": "30m", "max": "2h"},
}


@dataclass
class Leader:
    """The duties of a leader, and their reports."""

    knowledge: Knowledge
    governed: Governed
    reservations: Reservations
    duties: GuardDuties
    causes: list[str] = field(default_factory=list)

    def reasons(self) -> set[str]:
        """Of all problems."""
        return {one.reason.value for one in self.duties.problems()}


@asynccontextmanager
async def leader(
    cluster: Cluster,
    namespace: str,
    *,
    kubeconfig: Path | None = None,
    gone_after: float = 2.0,
    patience: Patience | None = None,
    configuration: str = "",
    owner: str = "lease",
    finish_after: float = 1.0,
    idle_after: float = 3600.0,
    **telling: Any,
) -> AsyncIterator[Leader]:
    """A leader whose own namespace is this one, with its configurations `guard-NAMESPACE`.

    `owner` is the Lease that its ledgers go with.
    """
    causes: list[str] = []
    async with client_of(kubeconfig or cluster.kubeconfig) as client:
        knowledge = Knowledge(client)
        governed = Governed(client, configuration or f"guard-{namespace}", knowledge, patience)
        # How fast an API server writes is the machine's matter.
        reservations = Reservations(client, namespace, owner, timing=Timing(bound=60.0))
        duties = GuardDuties(
            LeaderClient(client, lambda: True),
            knowledge,
            governed,
            reservations,
            Telling(causes.append, **telling),
            gone_after=gone_after,
            finish_after=finish_after,
            idle_after=idle_after,
        )
        knowledge.on_change(governed.look)
        knowledge.on_change(duties.look)
        async with running(knowledge.run(), governed.run(), duties.run()):
            yield Leader(knowledge, governed, reservations, duties, causes)


def lease(api: Api, namespace: str) -> Object:
    """The controller's Lease, which owns its ledgers."""
    metadata = {"name": "lease", "namespace": namespace}
    return api.create(
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
    )


def spawn_policy(namespace: str, name: str = "workers", **spec: Any) -> Object:
    """A SpawnPolicy about the Agent `lead`."""
    subjects = [{"kind": "Agent", "name": "lead"}]
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "SpawnPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"subjects": subjects, "limits": LIMITS, **spec},
    }


def spawned(
    namespace: str, name: str, by: Object, *, seconds: float = 3600.0, **annotations: str | None
) -> Object:
    """An agent with the stamps of one that an Agent or ServiceAccount spawned; None leaves one out."""
    creator = by["metadata"]
    title = f"{creator['namespace']}/{creator['name']}"
    stamps: dict[str, str | None] = {
        SPAWNED_BY: title if by["kind"] == "Agent" else None,
        ACCOUNT: title,
        UID: creator["uid"],
        DEPTH: "1",
        POLICY: f"{creator['namespace']}/workers",
        EXPIRES: written(datetime.now(UTC) + timedelta(seconds=seconds)),
        **annotations,
    }
    manifest = agent(namespace, name, labels={SPAWNED: "true"})
    manifest["metadata"]["annotations"] = {
        key: value for key, value in stamps.items() if value is not None
    }
    return manifest
