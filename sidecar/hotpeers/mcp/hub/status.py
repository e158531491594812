"""Writes the status of each Orchestrator: its peers, its refusals, and the calls of this replica."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import clean_text

from ...base.parts import number, part, text
from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import KubeError, NotFoundError
from ...model.orchestrator import API_VERSION
from ...model.orchestrator_conditions import conditions_with, live_condition
from ...model.orchestrator_replicas import replicas_after, replicas_change
from ...model.orchestrator_status import LIVE, REFRESH_SECONDS, Live
from ...sidecar.status.peers import status_of_peers
from .tenant import Tenant

logger = logging.getLogger(__name__)

PACE_SECONDS = 5.0
"""The shortest time between two writes of one status by one replica."""
_REST_SECONDS = 15.0


def offered_status(tenant: Tenant) -> dict[str, Any]:
    """The part of the status that is the same in each replica. Lists are bounded."""
    return {
        "observedGeneration": tenant.orchestrator.generation,
        **status_of_peers(tenant.peers, tenant.refused),
        "runtime": "hub",
    }


def replica_status(tenant: Tenant) -> dict[str, Any]:
    """The calls of an orchestrator through this replica, without the time of the report."""
    counts = tenant.counts
    return {
        # An agent at the hub is offered the newest list in each step.
        "live": Live.TRUE.value,
        "calls": counts.answered + counts.failed.total(),
        "failures": dict(sorted(counts.failed.items())),
        "failing": [
            {
                "peer": clean_text(one.subject, 320),
                "reason": one.reason,
                "message": one.message,
                "count": one.count,
            }
            for one in counts.failing.values()
        ],
    }


def status_change(
    found: object, offered: dict[str, Any], replica: str, own: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """What to change in the status `found`; empty if it is up to date."""
    change = {key: value for key, value in offered.items() if part(found).get(key) != value}
    replicas = replicas_change(part(found, "replicas"), replica, own, now)
    if replicas:
        change["replicas"] = replicas
    after = replicas_after(part(found, "replicas"), replicas)
    conditions = part(found).get("conditions")
    generation = number(offered, "observedGeneration")
    wanted = conditions_with(conditions, LIVE, live_condition(after, now), generation, now)
    if wanted != conditions:
        change["conditions"] = wanted
    return change


class StatusWriter:
    """Writes changed statuses until cancelled. Call `note` after each change of an orchestrator."""

    def __init__(self, client: Client, tenants: Iterable[Tenant], replica: str) -> None:
        self._client = client
        self._tenants = tenants
        self._replica = replica
        self._told: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {}
        self._rests: dict[str, float] = {}
        self._failures: dict[str, Problem] = {}
        self._free = asyncio.Semaphore(4)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return tuple(self._failures.values())

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            due = [tenant for tenant in self._tenants if self._is_due(tenant)]
            async with asyncio.TaskGroup() as group:
                for tenant in due:
                    group.create_task(self._write(tenant), name="write status")
            known = {tenant.orchestrator.uid for tenant in self._tenants}
            for kept in (self._told, self._rests, self._failures):
                for uid in kept.keys() - known:
                    del kept[uid]
            await asyncio.sleep(PACE_SECONDS)

    def _is_due(self, tenant: Tenant) -> bool:
        uid, now = tenant.orchestrator.uid, time.monotonic()
        if self._rests.get(uid, 0.0) > now:
            return False
        told = self._told.get(uid)
        if told is None or now - told[2] > REFRESH_SECONDS:
            return True
        return told[:2] != (offered_status(tenant), replica_status(tenant))

    async def _write(self, tenant: Tenant) -> None:
        key, uid = tenant.orchestrator.key, tenant.orchestrator.uid
        path = f"/apis/{API_VERSION}/namespaces/{key.namespace}/orchestrators/{key.name}/status"
        offered, own = offered_status(tenant), replica_status(tenant)
        async with self._free:
            try:
                found = await self._client.get(path)
                if text(found, "metadata", "uid") != uid:
                    return
                now = datetime.now(UTC)
                change = status_change(part(found, "status"), offered, self._replica, own, now)
                if change:
                    # With the version, a status that somebody wrote meanwhile is not overwritten.
                    version = text(found, "metadata", "resourceVersion")
                    body = {"metadata": {"resourceVersion": version}, "status": change}
                    await self._client.patch(path, body)
            except NotFoundError:
                return  # it was deleted, and the watch will report it
            except KubeError as error:
                self._rests[uid] = time.monotonic() + _REST_SECONDS
                message = f"its status cannot be written: {error}"
                self._failures[uid] = Problem(f"Orchestrator/{key}", error.reason, message)
                return
        self._failures.pop(uid, None)
        self._told[uid] = (offered, own, time.monotonic())
