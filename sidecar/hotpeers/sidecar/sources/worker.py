"""Runs what computes for long beside the event loop, and never keeps the process from ending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


async def in_background(call: Callable[[], _T], name: str) -> _T:
    """The result of `call`, of a thread of its own.

    `asyncio.to_thread` would have the process wait for the call at its end. Where nobody waits for
    the result any more, it is thrown away.
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
        # RuntimeError: the loop has been closed since.
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
