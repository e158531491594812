"""One request for a slot: what it asks, its first decision, and the decision that holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...spawnpolicy.decision import Decision
from ...spawnpolicy.request import Usage
from ..reasons import ControllerReason
from .ledgers import CountsError

Decide = Callable[[Mapping[str, Usage]], Decision]
"""Decides by what each policy has in use; pure, and asked more than once."""


@dataclass(slots=True)
class Waiting:
    """A request for the slot of an agent. `uid` is that of the object in the request.

    `expected` has the first decision by the counts, before anything is written. `answer` has the
    decision that holds: if it allows the agent, the slot is written.
    """

    agent: str
    uid: str
    decide: Decide
    dry_run: bool
    expected: asyncio.Future[Decision]
    answer: asyncio.Future[Decision]

    def expect(self, decision: Decision) -> None:
        """Give the first decision, if there was none."""
        if not self.expected.done():
            self.expected.set_result(decision)

    def fail(self, error: Exception) -> None:
        """Answer by an error, if nothing was answered yet."""
        if self.answer.done():
            return
        if self.expected.done():
            self.answer.set_exception(error)
        else:
            # An exception that is set twice would be retrieved once.
            self.expected.set_exception(error)
            self.answer.cancel()

    def tell(self, decision: Decision) -> None:
        """Answer by a decision, if nothing was answered yet."""
        if not self.answer.done():
            self.expect(decision)
            self.answer.set_result(decision)

    def give_up(self) -> None:
        """Take no slot any more: nothing waits for it."""
        self.expected.cancel()
        self.answer.cancel()


class Reservation:
    """A request that waits for its slot. Both methods raise `CountsError`."""

    def __init__(self, waiting: Waiting, queue: tuple[str, ...], bound: float) -> None:
        self._waiting = waiting
        self._queue = queue
        self._bound = bound
        self._deadline = asyncio.get_running_loop().time() + bound

    async def expected(self) -> Decision:
        """The first decision by the counts. Nothing is written yet, and others may come first."""
        return await self._bounded(self._waiting.expected)

    async def decided(self) -> Decision:
        """The decision that holds. If it allows the agent, the slot is written."""
        await self.expected()
        return await self._bounded(self._waiting.answer)

    async def _bounded(self, future: asyncio.Future[Decision]) -> Decision:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await future
        except TimeoutError as error:
            message = f"the counts of {', '.join(self._queue)}: not decided in {self._bound:g} s"
            raise CountsError(message, ControllerReason.COUNTS_BUSY) from error
        finally:
            if future.cancelled():
                self._waiting.give_up()
