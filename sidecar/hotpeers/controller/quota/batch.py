"""Decides all waiting requests in order, and writes the slots of each policy in one update."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ...base.reasons import Reason
from ...spawnpolicy.decision import Decision
from ...spawnpolicy.reasons import PolicyReason
from ..reasons import ControllerReason
from .books import Book, Books
from .ledger import Ledger, LedgerFullError, pruned, reserve, usage
from .ledgers import CountsError, Held
from .reservation import Waiting

_COUNTED = frozenset({PolicyReason.TOO_MANY_AGENTS, PolicyReason.TOO_MANY_CREATES})


@dataclass(slots=True)
class _Round:
    """One read of the ledgers and the decisions by it. `drafts` are the ledgers with all slots taken."""

    held: dict[str, Held] = field(default_factory=dict)
    drafts: dict[str, Ledger] = field(default_factory=dict)
    failed: dict[str, CountsError] = field(default_factory=dict)
    told: list[tuple[Waiting, Decision]] = field(default_factory=list)
    took: list[tuple[Waiting, Decision]] = field(default_factory=list)

    def full(self) -> set[Reason]:
        """The counts for which a request would be denied."""
        return {one.reason for _, told in self.told for one in told.denials} & _COUNTED


class Batch:
    """Over some policies, whose locks are held while `answer` runs.

    `window` gives the seconds of each policy's window; `freed` tries to free slots of a full one.
    """

    def __init__(
        self,
        books: Books,
        policies: Mapping[str, Book],
        window: Callable[[str], float],
        clock: Callable[[], datetime],
        freed: Callable[[Book], Awaitable[bool]],
    ) -> None:
        self._books = books
        self._policies = policies
        self._window = window
        self._clock = clock
        self._freed = freed

    async def answer(self, waiting: list[Waiting]) -> None:
        """Answer everybody."""
        try:
            await self._answer(waiting)
        # Whatever fails, each request gets an answer: the error.
        except Exception as error:  # noqa: BLE001
            for one in waiting:
                one.fail(error)

    async def _answer(self, waiting: list[Waiting]) -> None:
        # A write proves that a cached ledger is the newest. A dry run writes nothing, so it reads.
        live = any(one.dry_run for one in waiting)
        settled = False
        while waiting := [one for one in waiting if not one.answer.done()]:
            found = await self._look(live=live)
            for one in waiting:
                self._decide(one, found)
                # Let other tasks of the event loop run.
                await asyncio.sleep(0)
            if full := found.full():
                # A cached count never denies: read the ledgers first.
                if not live:
                    live = True
                    continue
                if PolicyReason.TOO_MANY_AGENTS in full and not settled:
                    settled = True
                    if await self._settled(found):
                        continue
            conflict = await self._write(found)
            for one, decision in found.told:
                # After a conflict, decide again what was denied for a count: the slots that filled it
                # may not have been written.
                if not (conflict and any(each.reason in _COUNTED for each in decision.denials)):
                    one.tell(decision)
            live = live or conflict

    async def _look(self, *, live: bool) -> _Round:
        found = _Round()
        for key, book in self._policies.items():
            try:
                held = await self._books.opened(book, live=live)
            except CountsError as error:
                found.failed[key] = error
            else:
                found.held[key] = held
                found.drafts[key] = pruned(held.ledger, self._clock(), self._window(key))
        return found

    def _decide(self, one: Waiting, found: _Round) -> None:
        now = self._clock()
        try:
            decision = one.decide(
                {
                    key: usage(draft, one.agent, now, self._window(key))
                    for key, draft in found.drafts.items()
                }
            )
        # An error in one decision must not fail the other requests.
        except Exception as error:  # noqa: BLE001
            one.fail(error)
            return
        key = decision.policy
        if not decision.allowed or not key:
            found.told.append((one, decision))
        elif key in found.failed:
            one.fail(found.failed[key])
        elif key not in found.drafts:
            one.fail(
                CountsError(
                    f"the counts of {key} were not read for this request",
                    ControllerReason.GUARD_FAILED,
                )
            )
        elif one.dry_run:
            found.told.append((one, decision))
        else:
            try:
                found.drafts[key] = reserve(found.drafts[key], one.agent, now, one.uid)
            except LedgerFullError:
                message = f"the ledger of {key} has no place for another agent"
                one.fail(CountsError(message, ControllerReason.LEDGER_FULL))
            else:
                found.took.append((one, decision))
                one.expect(decision)

    async def _settled(self, found: _Round) -> bool:
        """Whether a slot was freed. Nothing is written yet, so all requests are decided again."""
        return any([await self._freed(self._policies[key]) for key in found.held])

    async def _write(self, found: _Round) -> bool:
        """Write the slots, and answer their requests. Returns whether another replica wrote meanwhile."""
        conflict = False
        for key, held in found.held.items():
            took = [pair for pair in found.took if pair[1].policy == key]
            if not took:
                continue
            try:
                stored = await self._books.store(self._policies[key], held, found.drafts[key])
            except CountsError as error:
                for one, _ in took:
                    one.fail(error)
                conflict = True
                continue
            conflict = conflict or not stored
            for one, decision in took if stored else ():
                one.tell(decision)
        return conflict
