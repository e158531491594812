"""Reads the agent cards of peers over HTTP, and keeps them fresh.

One task a card: it tries again with growing, jittered pauses until the card was read once, and
looks again every minute. What was read once is kept through outages.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType

from hotpeers_shim.contract import clean_text

from .credentials.keeper import Access
from .fetch import AT_ONCE, MAX_CARD_BYTES, CardUnavailableError, Check, Fetcher
from .model.card import Card
from .model.snapshot import CardKey, Problem
from .reasons import Reason

logger = logging.getLogger(__name__)

# Seconds between two requests at the least, for cards that were never tried and for all others:
# thousands of peers are read one after the other, and a new one does not wait for the old.
_FIRST_GAP, _NEXT_GAP = 0.004, 0.02
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_REFRESH = 60.0
# One lost request is not an outage: readiness that flaps would change the peer file each time.
_FAILURES_TO_UNREADY = 2


@dataclass(frozen=True, slots=True)
class CardState:
    """What is known of one card: the last good one, and what went wrong since."""

    card: Card | None = None
    failures: int = 0
    reason: Reason | None = None
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether the card was read, and can still be."""
        return self.card is not None and self.failures < _FAILURES_TO_UNREADY


class _Lane:
    """Lets requests go a few at once, and none too soon after the one before."""

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._free = 0.0
        self._slots = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._slots:
            now = asyncio.get_running_loop().time()
            start = max(now, self._free)
            self._free = start + self._gap
            if start > now:
                await asyncio.sleep(start - now)
            yield


class CardReader:
    """Follows a changing set of cards. `states` has what is known, by the key of each card.

    `changed` is called after each change of `states`. `access` says what belongs to a request to a
    URL. Use it as an asynchronous context manager.
    """

    def __init__(
        self,
        changed: Callable[[], None],
        *,
        refresh: float = _REFRESH,
        max_bytes: int = MAX_CARD_BYTES,
        check: Check | None = None,
        access: Callable[[str], Access] = lambda _: Access(),
    ) -> None:
        self._changed = changed
        self._refresh = refresh
        self._states: dict[CardKey, CardState] = {}
        self._shown: Mapping[CardKey, CardState] | None = None
        self._tasks: dict[CardKey, asyncio.Task[None]] = {}
        self._first = _Lane(_FIRST_GAP)
        self._next = _Lane(_NEXT_GAP)
        self._bad: dict[CardKey, Problem] = {}
        self._problems: tuple[Problem, ...] | None = ()
        self._fetcher = Fetcher(max_bytes=max_bytes, check=check, access=access)

    @property
    def states(self) -> Mapping[CardKey, CardState]:
        """What is known of each card that was tried at least once; the same object until that changes."""
        if self._shown is None:
            self._shown = MappingProxyType(self._states.copy())
        return self._shown

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with cards now; the same tuple until that changes."""
        if self._problems is None:
            self._problems = tuple(self._bad.values())
        return self._problems

    async def __aenter__(self) -> CardReader:
        await self._fetcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks.values())
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._fetcher.__aexit__()

    def follow(self, keys: Iterable[CardKey]) -> None:
        """Read these cards from now on, and no others."""
        wanted = set(keys)
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
            self._states.pop(key, None)
            self._shown = None
            if self._bad.pop(key, None) is not None:
                self._problems = None
        for key in wanted - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._follow(key), name=f"card {key[0]}")

    async def _follow(self, key: CardKey) -> None:
        pause = _FIRST_PAUSE
        lane = self._first
        while True:
            before = self._states.get(key, CardState())
            async with lane.turn():
                after = await self._look(key, before)
            lane = self._next
            if after != before:
                self._states[key] = after
                self._shown = None
            if (after.reason, after.message) != (before.reason, before.message):
                self._blame(key, after)
            if after != replace(before, failures=after.failures) or after.ready != before.ready:
                self._changed()
            if after.failures:
                wait, pause = pause, min(pause * 2, _LONGEST_PAUSE)
            else:
                wait, pause = self._refresh, _FIRST_PAUSE
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def _blame(self, key: CardKey, state: CardState) -> None:
        self._problems = None
        if state.reason is None:
            self._bad.pop(key, None)
        else:
            self._bad[key] = Problem(key[0], state.reason, state.message)

    async def _look(self, key: CardKey, before: CardState) -> CardState:
        try:
            card = await self._fetcher.get(key)
        except CardUnavailableError as error:
            logger.debug("no agent card of %s: %s", key[0], error)
            return replace(
                before,
                failures=before.failures + 1,
                reason=error.reason,
                message=clean_text(str(error), 400),
            )
        # The same object as before where nothing changed: what is made of it is compared by it.
        return CardState(before.card if card == before.card else card)
