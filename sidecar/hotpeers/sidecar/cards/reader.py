"""Follows the agent cards of peers, and keeps them fresh.

Each is tried again with growing, jittered pauses until it was read once, and is read anew every
minute. What was read once is kept through outages.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from hotpeers_shim.contract import clean_text

from ...base.problems import Problem
from ...base.reasons import Reason
from ...model.cards.card import Card
from ...model.snapshot import CardKey
from ..credentials.keeper import Access
from .fetch import AT_ONCE, MAX_CARD_BYTES, CardUnavailableError, Check, Fetcher
from .schedule import Lane, Schedule

logger = logging.getLogger(__name__)

# Seconds between two requests at the least, for cards that were never tried and for all others:
# thousands of peers are read one after the other, and a new one does not wait for the old.
_FIRST_GAP, _NEXT_GAP = 0.004, 0.02
# Servers that do not answer hold a place for seconds; the cards behind them are waited for.
_FIRST_AT_ONCE = 128
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
# Hundreds of cards that cannot be read are tried 5 times, and not 9, until the longest pause.
_GROWTH = 3.0
_REFRESH = 60.0
# One lost request is not an outage: readiness that flaps would change the peer file each time.
_FAILURES_TO_UNREADY = 2


@dataclass(frozen=True, slots=True)
class CardState:
    """What is known of one card: the last good one, and what went wrong since.

    `failures` are those in a row, as far as they matter: two are as many as two hundred.
    """

    card: Card | None = None
    failures: int = 0
    reason: Reason | None = None
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether the card was read, and can still be."""
        return self.card is not None and self.failures < _FAILURES_TO_UNREADY


_UNKNOWN = CardState()


@dataclass(slots=True)
class _Note:
    """What is remembered of a card besides its state: the next pause in seconds, the last message."""

    pause: float = _FIRST_PAUSE
    message: str = ""


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
        self._notes: dict[CardKey, _Note] = {}
        self._schedule: Schedule[CardKey] = Schedule(
            self._read, Lane(_FIRST_AT_ONCE, _FIRST_GAP), Lane(AT_ONCE, _NEXT_GAP)
        )
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
    def tried(self) -> bool:
        """Whether each card was tried at least once."""
        return not self._schedule.fresh

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with cards now; the same tuple until that changes."""
        if self._problems is None:
            self._problems = tuple(self._bad.values())
        return self._problems

    async def __aenter__(self) -> CardReader:
        await self._fetcher.__aenter__()
        self._schedule.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.follow(())
        await self._schedule.stop()
        await self._fetcher.__aexit__()

    def follow(self, keys: Iterable[CardKey]) -> None:
        """Read these cards from now on, and no others."""
        _, gone = self._schedule.follow(keys)
        for key in gone:
            self._notes.pop(key, None)
            if self._states.pop(key, None) is not None:
                self._shown = None
            if self._bad.pop(key, None) is not None:
                self._problems = None

    async def _read(self, key: CardKey) -> float:
        """Read a card; returns the seconds until it is to be read again."""
        note = self._notes.setdefault(key, _Note())
        before = self._states.get(key, _UNKNOWN)
        after = await self._look(key, before, note)
        if after != before or key not in self._states:
            self._states[key] = after
            self._shown = None
        if (after.reason, after.message) != (before.reason, before.message):
            self._blame(key, after)
        if after != replace(before, failures=after.failures) or after.ready != before.ready:
            self._changed()
        if after.failures:
            wait, note.pause = note.pause, min(note.pause * _GROWTH, _LONGEST_PAUSE)
        else:
            wait, note.pause = self._refresh, _FIRST_PAUSE
        return wait * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def _blame(self, key: CardKey, state: CardState) -> None:
        self._problems = None
        if state.reason is None:
            self._bad.pop(key, None)
        else:
            self._bad[key] = Problem(key[0], state.reason, state.message)

    async def _look(self, key: CardKey, before: CardState, note: _Note) -> CardState:
        try:
            card = await self._fetcher.get(key)
        except CardUnavailableError as error:
            logger.debug("no agent card of %s: %s", key[0], error)
            return self._failed(before, error, note)
        # The same object as before where nothing changed: what is made of it is compared by it.
        return CardState(before.card if card == before.card else card)

    def _failed(self, before: CardState, error: CardUnavailableError, note: _Note) -> CardState:
        """The state after a failure: the same one where nothing is new, since all is judged anew by it.

        A server in trouble fails in one way and another. Of the same reason, the message changes once
        it came twice in a row.
        """
        message = clean_text(str(error), 400)
        lasting, note.message = message == note.message, message
        if before.reason is error.reason and not lasting:
            message = before.message
        failures = min(before.failures + 1, _FAILURES_TO_UNREADY)
        return replace(before, failures=failures, reason=error.reason, message=message)
