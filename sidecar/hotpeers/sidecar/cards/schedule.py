"""Does the same work for many keys again and again: a few at once, and none too soon after another.

There are thousands of keys, most of which wait. So there is one task that starts the work, and one for
each work that is being done; a task for each key would cost megabytes.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
_AFTER_FAULT = 30.0


@dataclass(slots=True)
class Lane:
    """How many may be at work at once, and the seconds between the starts of two at the least."""

    at_once: int
    gap: float
    busy: int = 0
    free: float = 0.0

    def wait(self, now: float) -> float | None:
        """Seconds until the next may start; None while all places are taken."""
        return None if self.busy >= self.at_once else max(0.0, self.free - now)


@dataclass(slots=True)
class Schedule(Generic[Key]):
    """Calls `work` for each key, which returns the seconds until its next turn.

    `first` is the lane of keys that never had a turn, `again` that of all others: a new one does not
    wait for the old. Use `start` within a running loop, and `stop` before it ends.
    """

    work: Callable[[Key], Awaitable[float]]
    first: Lane
    again: Lane
    _fresh: dict[Key, None] = field(default_factory=dict)
    _due: list[tuple[float, int, Key]] = field(default_factory=list)
    _tickets: dict[Key, int] = field(default_factory=dict)
    _running: dict[Key, asyncio.Task[float]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _pump: asyncio.Task[None] | None = None

    @property
    def fresh(self) -> int:
        """How many keys never had a turn."""
        return len(self._fresh)

    def start(self) -> None:
        """Begin to work."""
        self._pump = asyncio.create_task(self._run(), name="schedule")

    async def stop(self) -> None:
        """End all work, and wait until it has ended."""
        self.follow(())
        tasks: list[asyncio.Task[Any]] = list(self._running.values())
        if self._pump is not None:
            tasks.append(self._pump)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, keys: Iterable[Key]) -> tuple[set[Key], set[Key]]:
        """Work for these keys from now on, and for no others; returns those that came and went."""
        wanted = dict.fromkeys(keys)
        gone = self._tickets.keys() - wanted.keys()
        come = [key for key in wanted if key not in self._tickets]
        for key in gone:
            del self._tickets[key]
            self._fresh.pop(key, None)
            task = self._running.get(key)
            if task is not None:
                task.cancel()
        for key in come:
            self._tickets[key] = next(self._numbers)
            self._fresh[key] = None
        self._news.set()
        return set(come), gone

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            waits = [self._start_fresh(loop), self._start_due(loop)]
            seconds = min((wait for wait in waits if wait is not None), default=None)
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _start_fresh(self, loop: asyncio.AbstractEventLoop) -> float | None:
        """Start what never had a turn; returns the seconds until there is more to start, if known."""
        while self._fresh:
            wait = self.first.wait(loop.time())
            if wait is None or wait > 0:
                return wait
            # A key that left and came back while its work ends has to wait for that.
            key = next((key for key in self._fresh if key not in self._running), None)
            if key is None:
                return None
            del self._fresh[key]
            self._begin(key, self.first, loop)
        return None

    def _start_due(self, loop: asyncio.AbstractEventLoop) -> float | None:
        while self._due:
            due, number, key = self._due[0]
            if self._tickets.get(key) != number:
                heapq.heappop(self._due)
                continue
            now = loop.time()
            wait = self.again.wait(now)
            if wait is None or wait > 0 or due > now:
                return None if wait is None else max(wait, due - now)
            heapq.heappop(self._due)
            self._begin(key, self.again, loop)
        return None

    def _begin(self, key: Key, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        lane.busy += 1
        lane.free = loop.time() + lane.gap
        task = self._running[key] = loop.create_task(self._turn(key))
        # Not at the end of the task itself: one that is cancelled at once never begins.
        task.add_done_callback(partial(self._ended, key, self._tickets[key], lane))

    async def _turn(self, key: Key) -> float:
        try:
            return await self.work(key)
        except Exception:
            # A fault of ours with one key must not end the work for the others.
            logger.exception("reading %s failed", key)
            return _AFTER_FAULT

    def _ended(self, key: Key, ticket: int, lane: Lane, task: asyncio.Task[float]) -> None:
        lane.busy -= 1
        del self._running[key]
        if not task.cancelled() and self._tickets.get(key) == ticket:
            due = task.get_loop().time() + task.result()
            heapq.heappush(self._due, (due, ticket, key))
        self._news.set()
