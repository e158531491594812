"""Follows the agent cards of peers, and keeps them fresh.

A failed read is retried with growing, jittered pauses. A card that was read is refreshed every
minute. The last good card is kept during an outage.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from hotpeers_shim.contract import clean_text

from ...base.backoff import Backoff
from ...base.problems import Problem
from ...base.reasons import Reason
from ...model.cards.card import Card
from ...model.snapshot import CardKey
from ..credentials.keeper import Access
from .fetch import AT_ONCE, MAX_CARD_BYTES, CardUnavailableError, Check, Fetcher
from .schedule import Lane, Schedule

logger = logging.getLogger(__name__)

# Minimum seconds between two requests: for cards that were never tried, and for all others. The
# two have separate queues, so a new card does not wait for the refresh of thousands of others.
_FIRST_GAP, _NEXT_GAP = 0.004, 0.02
# A server that does not answer holds a place for seconds. Many places keep the other new cards
# from waiting behind it.
_FIRST_AT_ONCE = 128
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
# With this factor a card that cannot be read reaches the longest pause after 5 tries instead of 9.
# That matters when hundreds of cards cannot be read.
_GROWTH = 3.0
_REFRESH = 60.0
# A single lost request is not an outage: each change of readiness rewrites the peer file.
_FAILURES_TO_UNREADY = 2


@dataclass(frozen=True, slots=True)
class CardState:
    """The last good version of a card, and the current failure if there is one.

    `failures` counts failures in a row, up to `_FAILURES_TO_UNREADY`; more make no difference.
    """

    card: Card | None = None
    failures: int = 0
    reason: Reason | None = None
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether the card was read before, and reading it has not failed twice in a row since."""
        return self.card is not None and self.failures < _FAILURES_TO_UNREADY


_UNKNOWN = CardState()


@dataclass(slots=True)
class _Note:
    """Private notes on a card: the pauses after failures, and the last failure message."""

    backoff: Backoff = field(
        default_factory=lambda: Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, factor=_GROWTH)
    )
    message: str = ""


class CardReader:
    """Follows a changing set of cards. `states` maps the key of each card to its state.

    `changed` is called when a read changes a state; a failure count alone matters only if `ready`
    changes with it. `access` returns the headers and the TLS context for a URL. Use it as an
    asynchronous context manager.
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
        """The state of each card that was tried at least once.

        The same object is returned until a state changes, so callers may compare by identity.
        """
        if self._shown is None:
            self._shown = MappingProxyType(self._states.copy())
        return self._shown

    @property
    def tried(self) -> bool:
        """Whether each card was tried at least once."""
        return not self._schedule.fresh

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The current problems with cards; the same tuple until they change."""
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
        """Replace the set of followed cards, and forget the state of those that left."""
        _, gone = self._schedule.follow(keys)
        for key in gone:
            self._notes.pop(key, None)
            if self._states.pop(key, None) is not None:
                self._shown = None
            if self._bad.pop(key, None) is not None:
                self._problems = None

    async def _read(self, key: CardKey) -> float:
        """Read a card. Returns the seconds until the next read."""
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
            wait = note.backoff.next()
        else:
            note.backoff.reset()
            wait = self._refresh
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
        # Keep the same object if the card is unchanged: resolved peers are cached by identity.
        return CardState(before.card if card == before.card else card)

    def _failed(self, before: CardState, error: CardUnavailableError, note: _Note) -> CardState:
        """The state after a failure. It equals `before` if nothing is new.

        A changed state causes a projection, and a server in trouble fails with varying messages. So
        while the reason stays the same, a new message is taken over only when it came twice in a row.
        """
        message = clean_text(str(error), 400)
        lasting, note.message = message == note.message, message
        if before.reason is error.reason and not lasting:
            message = before.message
        failures = min(before.failures + 1, _FAILURES_TO_UNREADY)
        return replace(before, failures=failures, reason=error.reason, message=message)
