"""Stops a process on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import signal


class Stop(Exception):
    """Raised after a signal, to end the task group."""


async def raise_at_signal() -> None:
    """Raise `Stop` at SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    raise Stop
