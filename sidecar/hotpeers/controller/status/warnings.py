"""Warns of SpawnPolicies that govern no subject, and of those that are nearly used up.

The warnings are Events on the policy, and metrics. The status of a policy says the same in words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from ...kube.events import CONTROLLER, Event, EventWriter, reference
from ...spawnpolicy.known import KnownPolicy
from ...spawnpolicy.schema.policy import API_VERSION, KIND
from ..election import LeaderClient

NEAR, RELAXED = 0.9, 0.8
"""A policy is nearly used up from the first share of its agents on, until it is below the second."""
PATIENCE_SECONDS = 600.0
"""How long a policy may govern no subject: it is created before its orchestrator."""
_SAME_SECONDS = 3600.0
_PAUSE_SECONDS = 0.3
_MOST_WAITING = 100
_KEPT = 1000
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of one policy. `alive` is None while it is unknown, `most` without a limit."""

    key: str
    uid: str
    alive: int | None
    most: int | None
    governs: bool
    absent: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The used share of the agents that the policy allows; 0 if it is unknown."""
        return self.alive / self.most if self.alive is not None and self.most else 0.0


def absent_agents(policy: KnownPolicy, there: Set[str]) -> tuple[str, ...]:
    """The Agents among the subjects of a policy that are not `there`."""
    named = {one.name for one in policy.policy.spec.subjects if one.kind == "Agent"}
    return tuple(sorted(named - there))


def usage_of(policy: KnownPolicy, alive: int | None, absent: Sequence[str]) -> Usage:
    """The use of a policy. `absent` are the Agents among its subjects that do not exist."""
    spec = policy.policy.spec
    limits = spec.limits
    return Usage(
        policy.key,
        policy.uid,
        alive,
        limits.maxAgents if limits is not None else None,
        # Whether a ServiceAccount exists is unknown, so it counts as a subject that does.
        governs=len({(one.kind, one.name) for one in spec.subjects}) > len(set(absent)),
        absent=tuple(absent),
    )


class Warnings:
    """The warnings of one leader. `lost` is called for each Event that cannot be written.

    A policy is warned about again only after it has recovered, and at most once in an hour.
    """

    def __init__(
        self,
        writer: LeaderClient,
        lost: Callable[[], None],
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._events = EventWriter(
            writer,
            CONTROLLER,
            lost,
            most=_MOST_WAITING,
            pause=_PAUSE_SECONDS,
            same=_SAME_SECONDS,
            kept=_KEPT,
        )
        self._near: frozenset[str] = frozenset()
        self._idle: dict[str, float] = {}
        self._told: set[str] = set()

    async def run(self) -> None:
        """Write Events until cancelled."""
        await self._events.run()

    def look(self, usages: Sequence[Usage]) -> None:
        """Compare all policies with what was reported. Returns at once."""
        now = self._clock()
        near = frozenset(
            one.uid for one in usages if one.share >= (RELAXED if one.uid in self._near else NEAR)
        )
        idle = {one.uid: self._idle.get(one.uid, now) for one in usages if not one.governs}
        for one in usages:
            if one.uid in near - self._near:
                note = f"{one.alive} of at most {one.most} agents exist; further ones are denied"
                self._tell(one, "AgentsNearLimit", "Count", note)
            is_new = one.uid in idle and one.uid not in self._told
            if is_new and now - idle[one.uid] >= self._patience:
                self._told.add(one.uid)
                self._tell(one, "GovernsNoSubject", "Govern", _idle_note(one))
        self._near, self._idle = near, idle
        self._told &= idle.keys()

    def _tell(self, one: Usage, reason: str, action: str, note: str) -> None:
        namespace, _, name = one.key.partition("/")
        about = reference(API_VERSION, KIND, namespace, name, one.uid)
        self._events.add(Event(about, reason, note, action, warning=True), (one.uid, reason))


def _idle_note(one: Usage) -> str:
    if not one.absent:
        return "It names no subjects, and so governs no agent: name one in spec.subjects"
    more = f" and {len(one.absent) - _SHOWN} more" if len(one.absent) > _SHOWN else ""
    names = ", ".join(one.absent[:_SHOWN])
    return f"It governs no agent: its namespace has no Agent {names}{more}; correct spec.subjects"
