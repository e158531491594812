"""Spawned agents that the watch reported as deleted: their slots are freed without a read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ...spawnpolicy.origin import KnownAgent

_KEPT_SECONDS = 180.0
"""Longer than a slot is held for an agent that does not appear."""
_MOST = 2_000
"""Per policy. If there are more, the oldest are dropped, and their slots are freed by a read."""
_MOST_POLICIES = 1_000


class Departures:
    """The uids of deleted agents, by policy and `namespace/name`. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gone: dict[str, dict[str, tuple[str, float]]] = {}

    def note(self, agent: KnownAgent) -> None:
        """Record that this agent was deleted."""
        if not agent.policy or not agent.uid:
            return
        now = self._clock()
        under = self._gone.pop(agent.policy, {})
        under[agent.uid] = (agent.title, now)
        # Keep the policies in the order of their latest departures.
        self._gone[agent.policy] = under
        for one, most in ((under, _MOST), (self._gone, _MOST_POLICIES)):
            while len(one) > most:
                del one[next(iter(one))]
        while now - self._latest(next(iter(self._gone))) > _KEPT_SECONDS:
            del self._gone[next(iter(self._gone))]

    def of(self, policy: str) -> Mapping[str, tuple[str, ...]]:
        """The uids of deleted agents of a policy, by `namespace/name` of the agent."""
        since = self._clock() - _KEPT_SECONDS
        found: dict[str, tuple[str, ...]] = {}
        for uid, (title, at) in self._gone.get(policy, {}).items():
            if at >= since:
                found[title] = (*found.get(title, ()), uid)
        return found

    def since(self, moment: float) -> list[str]:
        """The policies with departures at or after a time of `clock`."""
        return [policy for policy in self._gone if self._latest(policy) >= moment]

    def _latest(self, policy: str) -> float:
        return next(reversed(self._gone[policy].values()))[1]
