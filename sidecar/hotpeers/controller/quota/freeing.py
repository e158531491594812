"""Frees the slots of missing agents, in the ledgers of SpawnPolicies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from datetime import datetime

from .books import Book, Books
from .ledger import Ledger
from .ledger import departed as without_departed
from .ledgers import CountsError, Held
from .settling import LiveRead, Shown, applied, look, to_look_at
from .timing import Timing

Departed = Mapping[str, Collection[str]]
"""The uids of deleted agents, by `namespace/name`."""


class Freeing:
    """Frees slots in `books`. `read` reads an Agent from the API server.

    `shown` gives the agents that a watch shows under a policy, None without a watch; `departed` gives those
    that a watch showed and that are gone.
    """

    def __init__(  # noqa: PLR0913 - all that it works with
        self,
        books: Books,
        read: LiveRead,
        *,
        shown: Callable[[str], Shown | None],
        departed: Callable[[str], Departed],
        timing: Timing,
        clock: Callable[[], datetime],
    ) -> None:
        self._books = books
        self._read = read
        self._shown = shown
        self._departed = departed
        self._timing = timing
        self._clock = clock

    async def free_one(self, book: Book) -> bool:
        """Try to free a slot of a full policy, whose lock is held. Returns whether one was freed.

        The agents are read at most once in `settle_pause`.
        """
        if book.held is None:
            return False
        try:
            if await self._depart(book, book.held):
                return True
        except CountsError:
            return False
        now = asyncio.get_running_loop().time()
        if now - book.settled < self._timing.settle_pause or book.held is None:
            return False
        book.settled = now
        try:
            async with asyncio.timeout(self._timing.bound / 3):
                shown = self._shown(book.key)
                return await self.settle(book, book.held, None, shown, None) > 0
        except (CountsError, TimeoutError):
            return False

    async def settle(
        self,
        book: Book,
        held: Held,
        live_read: LiveRead | None,
        agents: Shown | None,
        lock: asyncio.Lock | None,
    ) -> int:
        """Free the slots of missing agents, by reading each agent. Returns how many were freed.

        `agents` are those that a watch shows; None if there is no watch. `lock` is that of the book, or None
        if it is held. Raises `CountsError`.
        """
        names = to_look_at(book, held, agents)
        # Of an agent that was missing, only this is known: an admission that was held then may have
        # created it since.
        before = self._clock()
        looks = await look(held, names, live_read or self._read)
        freed = 0

        def edit(ledger: Ledger) -> Ledger:
            nonlocal freed
            after = _without(ledger, self._departed(book.key))
            after = applied(after, looks, before, self._timing.hold)
            freed = len(ledger.slots.keys() - after.slots.keys())
            return after

        async with lock or nullcontext():
            # A ledger that was rebuilt meanwhile uses the same slot numbers for other admissions.
            written = await self._books.change(book, edit, uid=held.uid, create=False)
        return freed if written else 0

    async def _depart(self, book: Book, held: Held) -> bool:
        """Free the slots of agents that were created and deleted; the lock is held."""
        gone = self._departed(book.key)
        if len(_without(held.ledger, gone).slots) == len(held.ledger.slots):
            return False
        return await self._books.change(
            book, lambda ledger: _without(ledger, gone), uid=held.uid, create=False
        )


def _without(ledger: Ledger, gone: Departed) -> Ledger:
    """The ledger without the usage of deleted agents; the same object if that changes nothing."""
    for agent, uids in gone.items():
        ledger = without_departed(ledger, agent, uids)
    return ledger
