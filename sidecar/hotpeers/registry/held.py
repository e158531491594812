"""What was read is held for a while: one reading at a time for each key, and a bounded number of them."""

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
    """Values by key, read when they are asked for; a reading that fails is not held."""

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
        """The value of a key; raises what the reading raises."""
        slot = self._slots.setdefault(key, _Slot())
        self._slots.move_to_end(key)
        while len(self._slots) > self._most:
            self._slots.popitem(last=False)
        async with slot.lock:
            if slot.value is None or self._clock() >= slot.until:
                # From its beginning: what changes in the middle of a reading may be missing from it.
                until = self._clock() + self._seconds
                slot.value, slot.until = await self._read(key), until
            return slot.value
