"""Waits with time limits that suit the machine.

The limits are those of an ordinary machine. If one is reached, the speed of this machine is measured. On a
slow or busy one all limits grow; on a fast one the wait has failed.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from hotpeers_demo.processes import WaitedTooLongError, until

T = TypeVar("T")

MOST = 20.0
"""The largest factor of the limits: a slower machine is treated as this one."""

# The same kind of work as the start of the demonstration's processes, and its time in seconds on two cores.
_WORK = "import a2a.client, uvicorn, starlette.applications"
_USUAL = 1.0
# A smaller difference is within the noise of the measurement.
_NOTABLE = 1.2


async def measure_slowness() -> float:
    """How many times longer than usual this machine takes for a piece of work; at most `MOST`."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORK, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_USUAL * MOST):
            await process.wait()
    except TimeoutError:
        return MOST
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return (time.monotonic() - began) / _USUAL


class Pace:
    """The factor by which time limits grow on a slow machine.

    `waiting` is called with a text each time the demonstration begins to wait, and with "" at the end.
    """

    def __init__(
        self,
        waiting: Callable[[str], None] = lambda _: None,
        measure: Callable[[], Awaitable[float]] = measure_slowness,
    ) -> None:
        self.factor = 1.0
        self._waiting = waiting
        self._measure = measure

    async def until(self, what: str, probe: Callable[[], Awaitable[T | None]], seconds: float) -> T:
        """Call `probe` until its answer is not None. Raises `WaitedTooLongError`."""
        began = time.monotonic()
        self._waiting(what)
        try:
            while True:
                left = began + seconds * self.factor - time.monotonic()
                try:
                    return await until(what, probe, max(left, 0.0))
                except WaitedTooLongError:
                    if not await self._grows():
                        raise self._too_long(what, seconds) from None
        finally:
            self._waiting("")

    async def within(self, what: str, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Await `work`, and cancel it if it takes too long. Raises `WaitedTooLongError`."""
        task = asyncio.create_task(work, name=what)

        async def done() -> bool | None:
            await asyncio.wait([task], timeout=0.1)
            return True if task.done() else None

        try:
            await self.until(what, done, seconds)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _grows(self) -> bool:
        """Measure again; whether the limits have grown by that."""
        now = min(await self._measure(), MOST)
        if now < self.factor * _NOTABLE:
            return False
        self.factor = now
        return True

    def _too_long(self, what: str, seconds: float) -> WaitedTooLongError:
        slow = (
            f" (this machine is {self.factor:.0f} times slower than usual)"
            if self.factor > 1
            else ""
        )
        return WaitedTooLongError(f"{what}: not within {seconds * self.factor:.0f} s{slow}")
