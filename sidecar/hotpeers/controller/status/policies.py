"""Writes the status of each SpawnPolicy if it changed, while this replica leads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from ...base.problems import Problem
from ...kube.errors import KubeError, NotFoundError
from ...spawnpolicy.governed import governed_accounts
from ...spawnpolicy.known import KnownPolicy
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.schema.policy import API_VERSION
from ...spawnpolicy.tenancy import is_beyond
from ..election import LeaderClient
from ..lifecycle.expiry import World
from ..quota.ledgers import ledger_name
from ..quota.reservations import Counts, CountsError, Reservations
from ..webhook_config.accounts import Governed
from .policy_status import BEYOND, status_change
from .running import Running
from .warnings import Usage, absent_agents, usage_of

_LOOK_SECONDS = 5.0
# The shortest time between two writes of a status.
_PACE_SECONDS = 1.0
_REST_SECONDS = 10.0
_AT_ONCE = 8


class PolicyStatuses:
    """Writes the status of all policies. Call `look` after each change in the watch cache.

    `used` is called with the use of all served policies, each time that they are looked at.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        writer: LeaderClient,
        world: World,
        governed: Governed,
        reservations: Reservations,
        secrets: Callable[[], bool | None] = lambda: None,
        *,
        used: Callable[[Sequence[Usage]], None] = lambda _: None,
    ) -> None:
        self._secrets = secrets
        self._used = used
        self._writer = writer
        self._world = world
        self._governed = governed
        self._reservations = reservations
        self._running = Running(writer)
        self._news = asyncio.Event()
        self._rests: dict[str, float] = {}
        self._failures: dict[str, Problem] = {}
        self._free = asyncio.Semaphore(_AT_ONCE)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return tuple(self._failures.values())

    def look(self) -> None:
        """Check soon, because agents, policies or configurations may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Write changed statuses until cancelled."""
        while True:
            self._news.clear()
            if self._world.fresh():
                await self._write_all()
            await asyncio.sleep(_PACE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS - _PACE_SECONDS):
                    await self._news.wait()

    async def _write_all(self) -> None:
        policies = self._world.policies()
        keys = {one.key for one in policies}
        self._failures = {key: one for key, one in self._failures.items() if key in keys}
        now = time.monotonic()
        self._rests = {key: end for key, end in self._rests.items() if end > now}
        if not policies:
            self._used(())
            return
        counts: Mapping[str, Counts] | None = None
        with suppress(CountsError):  # the ledgers report it as a problem
            counts = await self._reservations.every()
        agents = _by_namespace(self._world.agents())
        self._used(self._usages(policies, agents, counts))
        async with asyncio.TaskGroup() as group:
            for policy in policies:
                if policy.key not in self._rests and not _is_told(policy):
                    # Yield in each iteration, because admissions need the same event loop.
                    await asyncio.sleep(0)
                    there = agents.get(policy.policy.namespace, ())
                    group.create_task(self._write(policy, there, counts), name="write status")

    def _usages(
        self,
        policies: Iterable[KnownPolicy],
        agents: Mapping[str, list[KnownAgent]],
        counts: Mapping[str, Counts] | None,
    ) -> list[Usage]:
        """The use of the policies that are served. An invalid one is reported by its status."""
        found = []
        for policy in policies:
            if policy.findings:
                continue
            there = {one.name for one in agents.get(policy.policy.namespace, ())}
            alive = None
            if counts is not None and policy.key in counts:
                alive = counts[policy.key].alive
            elif counts is not None and not self._is_unread(policy.key):
                alive = 0  # it has no ledger, because no agent was created under it
            found.append(usage_of(policy, alive, absent_agents(policy, there)))
        return found

    async def _write(
        self,
        policy: KnownPolicy,
        agents: Iterable[KnownAgent],
        counts: Mapping[str, Counts] | None,
    ) -> None:
        subjects = {ref.name for ref in policy.policy.spec.subjects}
        orchestrators = [one for one in agents if one.name in subjects]
        accounts = governed_accounts([policy.policy], orchestrators)
        absent = absent_agents(policy, {one.name for one in orchestrators})
        strays = await self._running.strays(policy.policy, orchestrators)
        governed = self._governed.holds(accounts)
        if not governed:
            # No change in the watch cache will trigger a check of the configurations.
            self._news.set()
        change = status_change(
            policy,
            counts.get(policy.key) if counts is not None else None,
            datetime.now(UTC),
            governed=governed,
            strays=strays,
            absent=absent,
            secrets=self._secrets(),
            known=counts is not None and (policy.key in counts or not self._is_unread(policy.key)),
        )
        if not change:
            # A write may be done although its answer was lost.
            self._failures.pop(policy.key, None)
            return
        namespace, name = policy.policy.namespace, policy.policy.name
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/spawnpolicies/{name}/status"
        async with self._free:
            try:
                await self._writer.patch(path, {"status": change})
            except NotFoundError:
                pass  # it was deleted, and the watch will report it
            except KubeError as error:
                self._rests[policy.key] = time.monotonic() + _REST_SECONDS
                message = f"its status cannot be written: {error}"
                self._failures[policy.key] = Problem(
                    f"SpawnPolicy/{policy.key}", error.reason, message
                )
                return
        self._failures.pop(policy.key, None)

    def _is_unread(self, key: str) -> bool:
        """Whether the policy has a ledger that cannot be read."""
        name = ledger_name(key)
        return any(one.where.endswith(f"/{name}") for one in self._reservations.problems())


def _is_told(policy: KnownPolicy) -> bool:
    """Whether the status of an unserved policy already says so.

    Such a policy is skipped: nothing else in its status changes, and there may be many of them.
    """
    conditions = policy.status.get("conditions")
    return (
        is_beyond(policy)
        and policy.status.get("observedGeneration") == policy.generation
        and isinstance(conditions, list)
        and any(isinstance(one, dict) and one.get("reason") == BEYOND for one in conditions)
    )


def _by_namespace(agents: Iterable[KnownAgent]) -> dict[str, list[KnownAgent]]:
    found: dict[str, list[KnownAgent]] = {}
    for agent in agents:
        found.setdefault(agent.namespace, []).append(agent)
    return found
