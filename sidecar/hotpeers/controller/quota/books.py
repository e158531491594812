"""Ledgers as one replica knows them: cached, read again if stale, rebuilt if lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ...base.problems import Problem
from ...spawnpolicy.schema.policy import SpawnPolicy
from ..reasons import ControllerReason
from .ledger import MAX_AHEAD_SECONDS, LastDenial, Ledger, denied, opened, rebuilt
from .ledgers import CountsError, Held, Ledgers

logger = logging.getLogger(__name__)

_TRIES = 5


@dataclass(slots=True)
class Book:
    """The ledger of one policy. Hold the lock to change anything here.

    `held` is what is known, None where it has to be read. `known` is the last that was read, at
    `known_at` (monotonic), and says what was admitted should the ledger be lost. `denials` were not
    written yet.
    """

    key: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    held: Held | None = None
    known: Ledger | None = None
    known_at: float = float("-inf")
    denials: int = 0
    last_denial: LastDenial | None = None
    settled: float = float("-inf")
    cursor: int = 0
    problem: Problem | None = None


class Books:
    """The books of one replica."""

    def __init__(
        self,
        ledgers: Ledgers,
        policy: Callable[[str], SpawnPolicy | None],
        hold: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledgers = ledgers
        self._policy = policy
        self._hold = hold
        self._clock = clock
        self._books: dict[str, Book] = {}

    def __getitem__(self, key: str) -> Book:
        if key not in self._books:
            self._books[key] = Book(key)
        return self._books[key]

    def all(self) -> tuple[Book, ...]:
        """The books of all policies that were asked for."""
        return tuple(self._books.values())

    async def find(self, book: Book, *, live: bool) -> Held | None:
        """The ledger, or None if it is missing; from memory, or with `live` from the API server."""
        if book.held is None or live:
            book.held = None
            try:
                held = await self._ledgers.read(book.key)
                if held is not None:
                    self._check(book, held.ledger)
            except CountsError as error:
                self._fail(book, error)
                raise
            self._keep(book, held)
        return book.held

    async def load(self, book: Book, *, live: bool) -> Held:
        """The ledger; a missing one is rebuilt from all living agents."""
        held = await self.find(book, live=live)
        return held or await self._rebuild(book)

    async def opened(self, book: Book, *, live: bool) -> Held:
        """The ledger to admit under. Raises `CountsError` while nothing is admitted."""
        held = await self.load(book, live=live)
        if not held.ledger.held:
            return held
        if not live:
            held = await self.load(book, live=True)
        if held.ledger.held and self._clock().timestamp() > held.ledger.held:
            agents = await self._ledgers.agents(book.key, self._policy(book.key))
            ledger = opened(held.ledger, agents, self._clock())
            # Do not write the ledger here: the next write includes this, and after a restart it is
            # computed again.
            held = Held(ledger, held.metadata)
        if held.ledger.held:
            left = held.ledger.held - self._clock().timestamp()
            error = CountsError(
                f"{self._ledgers.where(book.key)}: the ledger of {book.key} was lost, and agents"
                f" that it admitted may still be created; try again in {max(left, 0) + 1:.0f} s",
                ControllerReason.LEDGER_LOST,
            )
            self._fail(book, error)
            raise error
        return held

    async def store(self, book: Book, held: Held, ledger: Ledger) -> bool:
        """Write the successor of `held`, with the denials. Returns False if `held` is not the newest."""
        count, last = book.denials, book.last_denial
        book.held = None
        try:
            stored = await self._ledgers.store(book.key, held, denied(ledger, count, last))
        except CountsError as error:
            self._fail(book, error)
            raise
        if stored is None:
            return False
        # More denials may have been added meanwhile.
        book.denials -= count
        self._keep(book, stored)
        return True

    async def change(
        self,
        book: Book,
        edit: Callable[[Ledger], Ledger],
        *,
        uid: str = "",
        live: bool = False,
        create: bool = True,
    ) -> bool:
        """Apply `edit` to the newest ledger, and write it if it changed; `live` reads it first.

        Returns False if the ledger is missing and must not be made, or is not the one with `uid`.
        """
        for _ in range(_TRIES):
            held = await self.find(book, live=live)
            # A ledger that existed is rebuilt even without `create`: its counts must not be lost.
            if held is None and (create or book.known is not None):
                held = await self._rebuild(book)
            if held is None or (uid and held.uid != uid):
                return False
            ledger = edit(held.ledger)
            if ledger is held.ledger and not book.denials:
                return True
            if await self.store(book, held, ledger):
                return True
            live = True
        raise CountsError(
            f"{self._ledgers.where(book.key)}: others write all the time",
            ControllerReason.COUNTS_BUSY,
        )

    async def _rebuild(self, book: Book) -> Held:
        for _ in range(_TRIES):
            try:
                agents = await self._ledgers.agents(book.key, self._policy(book.key))
                ledger = rebuilt(
                    book.key,
                    agents,
                    book.known,
                    self._clock(),
                    hold=self._hold,
                    recent=time.monotonic() - book.known_at <= self._hold,
                )
                made = await self._ledgers.make(book.key, ledger)
            except CountsError as error:
                self._fail(book, error)
                raise
            if made is not None:
                self._keep(book, made)
                if ledger.held:
                    where = self._ledgers.where(book.key)
                    logger.warning("%s was lost, and is rebuilt: %s", where, book.key)
                return made
            if held := await self.find(book, live=True):
                return held
        where = self._ledgers.where(book.key)
        raise CountsError(
            f"{where}: it is made and removed all the time", ControllerReason.COUNTS_BUSY
        )

    def _check(self, book: Book, ledger: Ledger) -> None:
        ahead = ledger.clock - self._clock().timestamp()
        if ahead > MAX_AHEAD_SECONDS:
            where = self._ledgers.where(book.key)
            message = (
                f"{where}: written {ahead:.0f} s ahead of this clock: set the clocks, or delete it"
            )
            raise CountsError(message, ControllerReason.LEDGER_AHEAD)

    @staticmethod
    def _keep(book: Book, held: Held | None) -> None:
        book.held = held
        if held is not None:
            book.known, book.known_at = held.ledger, time.monotonic()
            book.problem = None

    def _fail(self, book: Book, error: CountsError) -> None:
        book.problem = Problem(self._ledgers.where(book.key), error.reason, str(error))
