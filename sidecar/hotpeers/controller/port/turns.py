"""A fair queue for a shared resource, such as memory: the caller that holds least is next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class Busy(Exception):
    """The caller got no turn in time, or too many callers are waiting already."""


@dataclass(eq=False, slots=True)
class _Waiter:
    keys: tuple[str, ...]
    weight: int
    started: asyncio.Future[None]


class Turns:
    """Shares `capacity` among callers. A caller has one or more keys, the widest group first.

    The callers of a key hold at most `each`. At most `queue` of them wait, for at most `patience`
    seconds. The next caller is the one whose keys hold least. Of equals, it is the one that waits
    longest. If the next caller does not fit yet, no other caller overtakes it. So small requests
    never block a large one for ever.
    """

    def __init__(
        self, capacity: int, each: int, patience: float, *, queue: int | None = None
    ) -> None:
        self._capacity, self._each = capacity, each
        self._patience, self._queue = patience, queue
        self._used = 0
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def turn(self, *keys: str, weight: int = 1) -> AsyncIterator[None]:
        """Hold a part of the capacity within the context. Raises `Busy` if there is none."""
        waiter = _Waiter(keys, weight, asyncio.get_running_loop().create_future())
        if weight > min(self._capacity, self._each) or self._is_full(keys):
            raise Busy
        self._waiting.append(waiter)
        self._start_next()
        try:
            if not waiter.started.done():
                try:
                    async with asyncio.timeout(self._patience):
                        await waiter.started
                except TimeoutError:
                    raise Busy from None
            yield
        finally:
            self._release(waiter)

    def _is_full(self, keys: tuple[str, ...]) -> bool:
        if self._queue is None:
            return False
        return any(
            sum(key in one.keys for one in self._waiting) >= self._queue
            for key in keys
            if self._held[key] >= self._each
        )

    def _release(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        else:
            self._used -= waiter.weight
            for key in waiter.keys:
                self._held[key] -= waiter.weight
                if not self._held[key]:
                    del self._held[key]
        self._start_next()

    def _start_next(self) -> None:
        while allowed := [one for one in self._waiting if self._is_within(one)]:
            waiter = min(allowed, key=lambda one: [self._held[key] for key in one.keys])
            if self._used + waiter.weight > self._capacity:
                return
            self._waiting.remove(waiter)
            self._used += waiter.weight
            self._held.update(dict.fromkeys(waiter.keys, waiter.weight))
            if not waiter.started.done():
                waiter.started.set_result(None)

    def _is_within(self, waiter: _Waiter) -> bool:
        return all(self._held[key] + waiter.weight <= self._each for key in waiter.keys)
