"""A cache of a limited number of values, with at most one read at a time for each key."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_V = TypeVar("_V")


@dataclass
class _Slot(Generic[_V]):
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: _V | None = None
    until: float = 0.0


class Held(Generic[_V]):
    """Values by key, read on demand. A failed read is not cached."""

    def __init__(
        self,
        read: Callable[[str], Awaitable[_V]],
        seconds: float,
        *,
        most: int = 256,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._seconds, self._most, self._clock = seconds, most, clock
        self._slots: OrderedDict[str, _Slot[_V]] = OrderedDict()

    async def get(self, key: str) -> _V:
        """The value of a key. Raises any error of the read."""
        slot = self._slots.setdefault(key, _Slot())
        self._slots.move_to_end(key)
        while len(self._slots) > self._most:
            self._slots.popitem(last=False)
        async with slot.lock:
            if slot.value is None or self._clock() >= slot.until:
                # Count from the start of the read: the value may lack changes made during the read.
                until = self._clock() + self._seconds
                slot.value, slot.until = await self._read(key), until
            return slot.value
