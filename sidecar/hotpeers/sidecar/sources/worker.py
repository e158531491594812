"""Runs long computations outside the event loop, without delaying the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


async def in_background(call: Callable[[], _T], name: str) -> _T:
    """Run `call` in a daemon thread of its own, and return its result.

    With `asyncio.to_thread`, the process would wait for the call before it ends. If the caller is
    cancelled, the result is discarded.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_T] = loop.create_future()

    def give(value: _T) -> None:
        if not result.done():
            result.set_result(value)

    def fail(error: BaseException) -> None:
        if not result.done():
            result.set_exception(error)

    def work() -> None:
        # `call_soon_threadsafe` raises RuntimeError if the loop was closed in the meantime.
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(fail, error)
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(give, value)

    Thread(target=work, name=name, daemon=True).start()
    return await result
