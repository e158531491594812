"""The spawned agents that a watch showed, and that are gone: their slots are free without a look."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ...spawnpolicy.origin import KnownAgent

_KEPT_SECONDS = 180.0
"""Longer than any slot is held for an agent that does not appear."""
_MOST = 2_000
"""Of one policy. Beyond, the oldest are forgotten, and their slots are freed by a look."""
_MOST_POLICIES = 1_000


class Departures:
    """The uids of agents that are gone, by policy and `namespace/name`. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gone: dict[str, dict[str, tuple[str, float]]] = {}

    def note(self, agent: KnownAgent) -> None:
        """This agent is gone."""
        if not agent.policy or not agent.uid:
            return
        now = self._clock()
        under = self._gone.pop(agent.policy, {})
        under[agent.uid] = (agent.title, now)
        # The policies in the order of their latest departures.
        self._gone[agent.policy] = under
        for one, most in ((under, _MOST), (self._gone, _MOST_POLICIES)):
            while len(one) > most:
                del one[next(iter(one))]
        while now - self._latest(next(iter(self._gone))) > _KEPT_SECONDS:
            del self._gone[next(iter(self._gone))]

    def of(self, policy: str) -> Mapping[str, tuple[str, ...]]:
        """The uids that are gone, by the name of their agents."""
        since = self._clock() - _KEPT_SECONDS
        found: dict[str, tuple[str, ...]] = {}
        for uid, (title, at) in self._gone.get(policy, {}).items():
            if at >= since:
                found[title] = (*found.get(title, ()), uid)
        return found

    def since(self, moment: float) -> list[str]:
        """The policies with departures at or after a moment of the clock."""
        return [policy for policy in self._gone if self._latest(policy) >= moment]

    def _latest(self, policy: str) -> float:
        return next(reversed(self._gone[policy].values()))[1]
