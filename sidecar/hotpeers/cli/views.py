"""Follows orchestrators for `--watch`, in a cluster or of one sidecar, until a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from ..base.errors import StatusError
from ..overview.reader import Wanted, reader_of
from ..overview.sidecar import fetch_status, orchestrator_of
from ..overview.summary import Orchestrator

_BURST_SECONDS = 0.3
"""Changes within this time are shown together."""
_AGE_SECONDS = 10.0
"""A view is renewed at least this often, because reports get old."""
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class View:
    """The orchestrators at one moment. `interruption` says why they cannot be read now."""

    orchestrators: tuple[Orchestrator, ...]
    place: str
    interruption: str = ""


async def views_of_cluster(wanted: Wanted) -> AsyncGenerator[View, None]:
    """A view now, and after changes. Raises `HotpeersError` if the first one cannot be had."""
    async with reader_of(wanted) as reader, reader.follow() as following:
        while True:
            yield View(tuple(following.orchestrators), reader.place, following.interruption)
            if await following.wait(_AGE_SECONDS):
                await asyncio.sleep(_BURST_SECONDS)


async def views_of_sidecar(url: str) -> AsyncGenerator[View, None]:
    """A view each second. Raises `StatusError` if the first one cannot be had."""
    place = f"the sidecar at {url}"
    known: tuple[Orchestrator, ...] | None = None
    while True:
        try:
            known = (orchestrator_of(await asyncio.to_thread(fetch_status, url)),)
            yield View(known, place)
        except StatusError as error:
            if known is None:
                raise
            yield View(known, place, str(error))
        await asyncio.sleep(_POLL_SECONDS)


def views_of(url: str, wanted: Wanted | None) -> AsyncGenerator[View, None]:
    """The views of the sidecar at `url`, or else of a cluster."""
    return views_of_cluster(wanted) if wanted is not None and not url else views_of_sidecar(url)


def follow(views: AsyncGenerator[View, None], show: Callable[[View], None]) -> None:
    """Show each view until SIGINT or SIGTERM, which end it as wanted."""

    async def showing() -> None:
        async with aclosing(views):
            async for view in views:
                show(view)

    asyncio.run(_until_signal(showing()))


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work, name="watch")
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await task
    if not stopped and task.cancelled():
        raise asyncio.CancelledError
