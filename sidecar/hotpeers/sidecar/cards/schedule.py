"""Repeats the same work for many keys, with limits on concurrency and on the rate of starts.

There are thousands of keys, and most of them wait. One task starts the work, and each running work
has a task. A task for every key would cost megabytes.
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
    """Limits for one group of keys.

    `at_once` is the maximum number of running tasks, and `gap` the minimum number of seconds
    between two starts. `busy` counts the running tasks. Starts are allowed from the loop time
    `free` on.
    """

    at_once: int
    gap: float
    busy: int = 0
    free: float = 0.0

    def wait(self, now: float) -> float | None:
        """Seconds until the next start is allowed; None while `at_once` tasks are running."""
        return None if self.busy >= self.at_once else max(0.0, self.free - now)


@dataclass(slots=True)
class Schedule(Generic[Key]):
    """Calls `work` for each key; it returns the seconds until the key's next turn.

    `first` is the lane for keys that never had a turn, and `again` the lane for all others, so new
    keys do not wait behind old ones. Call `start` in a running loop, and `stop` before it ends.
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
        """The number of keys that never had a turn."""
        return len(self._fresh)

    def start(self) -> None:
        """Start the task that starts the work."""
        self._pump = asyncio.create_task(self._run(), name="schedule")

    async def stop(self) -> None:
        """Cancel all work, and wait until it has ended."""
        self.follow(())
        tasks: list[asyncio.Task[Any]] = list(self._running.values())
        if self._pump is not None:
            tasks.append(self._pump)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, keys: Iterable[Key]) -> tuple[set[Key], set[Key]]:
        """Replace the set of keys. Returns the keys that were added, and those that were removed."""
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
        """Start keys that never had a turn.

        Returns the seconds until the next start, or None if `_news` announces when that is.
        """
        while self._fresh:
            wait = self.first.wait(loop.time())
            if wait is None or wait > 0:
                return wait
            # A key that was removed and added again waits until its cancelled work has ended.
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
        # Use a callback: a task that is cancelled before its first step never runs its own code.
        task.add_done_callback(partial(self._ended, key, self._tickets[key], lane))

    async def _turn(self, key: Key) -> float:
        try:
            return await self.work(key)
        except Exception:
            # A bug that shows with one key must not stop the work for the others.
            logger.exception("reading %s failed", key)
            return _AFTER_FAULT

    def _ended(self, key: Key, ticket: int, lane: Lane, task: asyncio.Task[float]) -> None:
        lane.busy -= 1
        del self._running[key]
        if not task.cancelled() and self._tickets.get(key) == ticket:
            due = task.get_loop().time() + task.result()
            heapq.heappush(self._due, (due, ticket, key))
        self._news.set()
