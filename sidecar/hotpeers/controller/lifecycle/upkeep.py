"""Keeps the ledgers of SpawnPolicies up to date, while this replica leads.

It frees slots, and stores the deletionPolicy of each policy. A ledger is deleted once its policy
and the last agent of that policy are gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from ...spawnpolicy.origin import KnownAgent
from ..quota.ledger import HOLD_SECONDS, DeletionPolicy
from ..quota.reservations import CountsError, Reservations
from .ends import GONE_SECONDS
from .expiry import World

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 20.0
_UNCLEAR_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_GATHER_SECONDS = 0.5


_Under = Mapping[str, tuple[KnownAgent, bool]]


class Upkeep:
    """Updates the ledgers. Call `look` after each change in the watch cache."""

    def __init__(
        self,
        reservations: Reservations,
        world: World,
        *,
        gone_after: float = GONE_SECONDS,
        hold: float = HOLD_SECONDS,
    ) -> None:
        self._reservations = reservations
        self._world = world
        self._gone_after, self._hold = gone_after, hold
        self._news = asyncio.Event()
        self._said: dict[str, DeletionPolicy] = {}
        self._noted: dict[str, DeletionPolicy] = {}
        self._seen: dict[str, frozenset[str]] = {}
        self._again: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._listing_due = 0.0
        self._looked = 0.0

    def look(self) -> None:
        """Check at once, because agents or policies may have changed."""
        self._news.set()

    async def deletion_policy(self, key: str) -> DeletionPolicy:
        """The last deletionPolicy of a deleted policy. Raises `CountsError` if it is unknown."""
        if key in self._said:
            return self._said[key]
        counts = await self._reservations.counts(key)
        return counts.deletion_policy if counts else "Delete"

    async def run(self) -> None:
        """Update the ledgers until cancelled."""
        while True:
            self._news.clear()
            seconds = _UNCLEAR_SECONDS
            if self._world.fresh():
                with suppress(CountsError):  # the ledgers report it as a problem
                    await self._keep()
                now = time.monotonic()
                due = min([*self._again.values(), self._listing_due])
                seconds = min(max(due - now, _UNCLEAR_SECONDS), _LOOK_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            # Debounce: one pass per burst of watch events.
            await asyncio.sleep(_GATHER_SECONDS)

    async def _keep(self) -> None:
        policies = {one.key: one for one in self._world.policies()}
        for key, one in policies.items():
            # Skip unserved policies: they have no agents, and there may be many of them.
            if not one.findings:
                self._said[key] = one.policy.spec.deletionPolicy
        agents = self._agents()
        self._note_changes(agents)
        await self._note_deletions(policies)
        now = time.monotonic()
        for key in [key for key, due in self._again.items() if due <= now]:
            del self._again[key]
            await self._settle(key, agents.get(key, {}))
        if now >= self._listing_due:
            self._listing_due = now + min(_LOOK_SECONDS, self._gone_after / 3)
            await self._forget(policies, agents, now)

    def _note_changes(self, agents: Mapping[str, _Under]) -> None:
        """Mark the policies whose agents were created or deleted, so that this pass settles them."""
        now = time.monotonic()
        # An agent that was created and deleted between two passes is in neither set of uids.
        for key in self._world.departures.since(self._looked):
            self._again[key] = now
        self._looked = now
        for key in {*agents, *self._seen}:
            uids = frozenset(one.uid for one, _ in agents.get(key, {}).values())
            if uids != self._seen.get(key, frozenset()):
                self._again[key] = now
            self._seen[key] = uids

    async def _note_deletions(self, policies: Collection[str]) -> None:
        for key in policies:
            said = self._said.get(key)
            if said is not None and said != self._noted.get(key):
                with suppress(CountsError):  # one unreadable ledger must not block the others
                    await self._reservations.set_deletion_policy(key, said)
                    self._noted[key] = said

    async def _settle(self, key: str, agents: _Under) -> None:
        shown = {title: counts for title, (_, counts) in agents.items()}
        try:
            freed = await self._reservations.settle(key, agents=shown)
        except CountsError:
            self._again[key] = time.monotonic() + _RETRY_SECONDS
            return
        if freed:
            logger.debug("%s: %d slots are free again", key, freed)

    async def _forget(
        self,
        policies: Collection[str],
        agents: Mapping[str, _Under],
        now: float,
    ) -> None:
        """Remove ledgers of deleted policies without agents, and schedule freeing of unused slots."""
        held = await self._reservations.keys()
        self._gone = {key: self._gone.get(key, now) for key in held if key not in policies}
        for key in held:
            # No watch event reports an agent that was admitted and never created.
            self._again.setdefault(key, now + self._hold)
        for key, since in self._gone.items():
            if now - since >= self._gone_after and not agents.get(key):
                await self._settle(key, {})
                with suppress(CountsError):
                    await self._drop(key)

    async def _drop(self, key: str) -> None:
        if self._world.fresh() and await self._reservations.forget(key):
            logger.info("the ledger of %s is removed: the policy is gone", key)
            for memory in (self._said, self._noted, self._seen, self._again):
                memory.pop(key, None)

    def _agents(self) -> dict[str, _Under]:
        """The agents of each policy with agents."""
        known = self._world.known
        found = {key: known.under(key) for key in known.stamped_policies()}
        return {key: there for key, there in found.items() if there}
