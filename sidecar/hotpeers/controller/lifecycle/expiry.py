"""Deletes spawned agents when they are due, while this replica leads.

Nothing is deleted while the watch cache is out of date.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ...base.errors import HotpeersError
from ...base.names import NamespacedName
from ...base.problems import Problem
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ...kube.events import CONTROLLER, Event, EventWriter, reference
from ...spawnpolicy.known import Known, KnownPolicy
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.request import AGENT_API, AGENT_KIND, AGENT_RESOURCE
from ...spawnpolicy.stamps import ACCOUNT, EXPIRES, SPAWNED_BY
from ..election import LeaderClient
from ..quota.ledger import DeletionPolicy
from ..reasons import ControllerReason
from .departures import Departures
from .ends import GONE_SECONDS, Around, Ending, EndPlan, agent_name, plan_ends, policy_name

logger = logging.getLogger(__name__)
audit = logging.getLogger("hotpeers.audit")

_AT_ONCE = 8
# The longest time between two full checks: a clock may be set, and a read may have failed.
_LOOK_SECONDS = 10.0
_UNCLEAR_SECONDS = 0.2
_GATHER_SECONDS = 0.2
# An agent is left alone for so long after a failed deletion, or until the watch reports it.
_REST_SECONDS = 10.0
# The longest duration of a request to the API server.
_MOST_SECONDS = 60.0


class World(Protocol):
    """The watch cache of agents and policies."""

    def agents(self) -> list[KnownAgent]:
        """Every Agent."""

    def policies(self) -> list[KnownPolicy]:
        """Every SpawnPolicy, valid or not."""

    @property
    def known(self) -> Known:
        """The index of all records."""

    @property
    def departures(self) -> Departures:
        """The spawned agents that were deleted."""

    def fresh(self) -> bool:
        """Whether the cache is complete and current."""


class Deletions(Protocol):
    """The deletionPolicy of policies that were deleted."""

    async def deletion_policy(self, key: str) -> DeletionPolicy:
        """The last value in the policy. Raises `HotpeersError` if it is unknown now."""


@dataclass(slots=True)
class _Look:
    """The uid of a ServiceAccount ("" if it does not exist), and when it was read."""

    uid: str
    at: float


class Expiry:
    """Deletes agents that are due. Call `look` after each change in the watch cache.

    `deleted` is called with the cause of each deletion, `lost` for each Event that could not be
    written. `gone_after` is the number of seconds that a policy or an orchestrator must be gone.
    """

    def __init__(  # noqa: PLR0913 - two are callbacks, the last for tests
        self,
        writer: LeaderClient,
        world: World,
        deletions: Deletions,
        *,
        deleted: Callable[[str], None] = lambda _: None,
        lost: Callable[[], None] = lambda: None,
        gone_after: float = GONE_SECONDS,
    ) -> None:
        self._writer = writer
        self._world = world
        self._deletions = deletions
        self._deleted = deleted
        self._events = EventWriter(writer, CONTROLLER, lost)
        self._gone_after = gone_after
        self._pace = min(_LOOK_SECONDS, gone_after / 3)
        self._news = asyncio.Event()
        self._since: dict[str, float] = {}
        self._said: dict[str, DeletionPolicy] = {}
        self._accounts: dict[NamespacedName, _Look] = {}
        self._rests: dict[str, float] = {}
        self._failures: dict[str, Problem] = {}
        self._unknown: dict[str | NamespacedName, Problem] = {}
        self._unreadable: tuple[Problem, ...] = ()
        self._free = asyncio.Semaphore(_AT_ONCE)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return (*self._failures.values(), *self._unknown.values(), *self._unreadable)

    def look(self) -> None:
        """Check at once, because agents or policies may have changed."""
        if self._since:
            # An object that is back resets its gone-since time, even if it goes again before the
            # next check.
            there = {policy_name(one.key) for one in self._world.policies()}
            there |= {agent_name(one.uid) for one in self._world.agents()}
            self._since = {key: at for key, at in self._since.items() if key not in there}
        self._news.set()

    async def run(self) -> None:
        """Delete due agents until cancelled."""
        while True:
            self._news.clear()
            due = await self._end() if self._world.fresh() else _UNCLEAR_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._news.wait()
                    # Debounce: one check per burst of watch events.
                    await asyncio.sleep(_GATHER_SECONDS)

    async def _end(self) -> float:
        """Delete the agents that are due. Returns the seconds until the next check."""
        agents = self._world.agents()
        plan = self._plan(agents)
        self._unknown = {
            key: one for key, one in self._unknown.items() if key in plan.ask or key in plan.look_at
        }
        if plan.ask or plan.look_at:
            await self._ask(plan)
            if not self._world.fresh():
                return 0.0
            agents = self._world.agents()
            plan = self._plan(agents)
        now = time.monotonic()
        self._unreadable = plan.problems
        known = {one.uid for one in agents}
        self._rests = {uid: end for uid, end in self._rests.items() if end > now and uid in known}
        self._failures = {uid: one for uid, one in self._failures.items() if uid in known}
        await self._each(one for one in plan.endings if one.agent.uid not in self._rests)
        rests = min((end - time.monotonic() for end in self._rests.values()), default=_LOOK_SECONDS)
        due = _LOOK_SECONDS if plan.due is None else plan.due - (time.monotonic() - now)
        again = self._pace if plan.look_at or self._unknown else _LOOK_SECONDS
        return max(min(due, rests, again), 0.0)

    def _plan(self, agents: list[KnownAgent]) -> EndPlan:
        now = time.monotonic()
        policies = frozenset(one.key for one in self._world.policies())
        self._said = {key: what for key, what in self._said.items() if key not in policies}
        recent = now - 2 * self._pace - _MOST_SECONDS
        accounts = {one: look.uid for one, look in self._accounts.items() if look.at > recent}
        around = Around(policies, self._said, accounts, self._since)
        plan = plan_ends(agents, around, datetime.now(UTC), now, self._gone_after)
        self._since = dict(plan.since)
        return plan

    async def _ask(self, plan: EndPlan) -> None:
        """Read the facts that the watch cache does not have."""
        now = time.monotonic()
        self._accounts = {one: look for one, look in self._accounts.items() if one in plan.look_at}
        old = [
            one
            for one in plan.look_at
            if one not in self._accounts or now - self._accounts[one].at >= self._pace
        ]
        async with asyncio.TaskGroup() as group:
            for key in plan.ask:
                group.create_task(self._ask_policy(key), name="ask deletionPolicy")
            for account in old:
                group.create_task(self._look_at(account), name="look at ServiceAccount")

    async def _ask_policy(self, key: str) -> None:
        try:
            self._said[key] = await self._deletions.deletion_policy(key)
            self._unknown.pop(key, None)
        except HotpeersError as error:
            where = f"SpawnPolicy/{key}"
            message = f"it was deleted, and the deletionPolicy of its agents is unknown: {error}"
            self._unknown[key] = Problem(where, ControllerReason.DELETION_UNKNOWN, message)

    async def _look_at(self, account: NamespacedName) -> None:
        path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}"
        where = f"ServiceAccount/{account}"
        async with self._free:
            try:
                data = await self._writer.get(path)
                uid = str(data["metadata"]["uid"])
            except NotFoundError:
                uid = ""
            except KubeError as error:
                message = f"it is unknown whether it was deleted, with the agents that it spawned: {error}"
                self._unknown[account] = Problem(where, error.reason, message)
                return
        self._unknown.pop(account, None)
        self._accounts[account] = _Look(uid, time.monotonic())

    async def _each(self, endings: Iterable[Ending]) -> None:
        async def one(ending: Ending) -> None:
            async with self._free:
                await self._delete(ending)

        async with asyncio.TaskGroup() as group:
            for ending in endings:
                group.create_task(one(ending), name="end agent")

    async def _delete(self, ending: Ending) -> None:
        agent = ending.agent
        where = f"Agent/{ending.title}"
        self._rests[agent.uid] = time.monotonic() + _REST_SECONDS
        path = f"/apis/{AGENT_API}/namespaces/{agent.namespace}/{AGENT_RESOURCE}/{agent.name}"
        try:
            await self._writer.delete(path, agent.uid)
        except (NotFoundError, ConflictError):
            # It was deleted or replaced already: the watch will report it.
            self._failures.pop(agent.uid, None)
            return
        except KubeError as error:
            message = f"{ending.detail}, and it cannot be deleted: {error}"
            self._failures[agent.uid] = Problem(where, error.reason, message)
            return
        self._failures.pop(agent.uid, None)
        self._deleted(ending.cause.value)
        logger.info("deleted %s: %s", where, ending.detail)
        audit.info(json.dumps(_line(ending)))
        about = reference(AGENT_API, AGENT_KIND, agent.namespace, agent.name, agent.uid)
        note = f"deleted: {ending.detail}"
        await self._events.write(Event(about, ending.cause.value, note, "Delete"))


def _line(ending: Ending) -> dict[str, object]:
    """One line of the audit log."""
    stamps = ending.agent.stamps.annotations
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "logger": audit.name,
        "operation": "DELETE",
        "resource": f"{AGENT_RESOURCE}.{AGENT_API}",
        "namespace": ending.agent.namespace,
        "name": ending.agent.name,
        "uid": ending.agent.uid,
        "phase": "Expiry",
        "reason": ending.cause.value,
        "policy": ending.policy,
        "spawnedBy": stamps.get(SPAWNED_BY) or stamps.get(ACCOUNT) or "",
        "expiresAt": stamps.get(EXPIRES, ""),
    }
