"""Waiting for a condition with a bound: the one way in which the tests wait.

It runs in the environments of the agents too, so it keeps to Python 3.10 and the standard library.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 60.0
_PAUSE = 0.01


class TookTooLongError(AssertionError):
    """A condition did not hold within its time."""

    def __init__(self, what: str, seconds: float, last: object) -> None:
        super().__init__(f"waited {seconds:g} s for {what}; last value: {last!r}")


def until(what: str, probe: Callable[[], T | None], seconds: float = SECONDS) -> T:
    """Poll `probe` until it returns something truthy, and return that.

    Raises `TookTooLongError`, which names `what` and the last value. What `probe` raises, it raises.
    """
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        if time.monotonic() >= deadline:
            raise TookTooLongError(what, seconds, value)
        time.sleep(_PAUSE)
    return value


async def until_async(what: str, probe: Callable[[], T | None], seconds: float = SECONDS) -> T:
    """As `until`, while the event loop goes on; `probe` runs in a thread, so it may ask a server."""
    deadline = time.monotonic() + seconds
    while not (value := await asyncio.to_thread(_undisturbed, probe)):
        if time.monotonic() >= deadline:
            raise TookTooLongError(what, seconds, value)
        await asyncio.sleep(_PAUSE)
    return value


def _undisturbed(probe: Callable[[], T | None]) -> T | None:
    """Call `probe`, or return None where the event loop changed a collection that it iterates over."""
    try:
        return probe()
    except RuntimeError as error:
        if "during iteration" not in str(error):
            raise
        return None
