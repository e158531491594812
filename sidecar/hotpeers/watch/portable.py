"""watchfiles, for systems without inotify; tuned, since its default debounce is 1.6 seconds."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from watchfiles import awatch

_STEP_MS = 5
_DEBOUNCE_MS = 10


class PortableWatch:
    """A watch of one folder; see `hotpeers.watch.Watch`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def arm(self) -> bool:
        """See `Watch.arm`."""
        if self._task is not None and not self._task.done():
            return True
        if not self._folder.is_dir():
            return False
        self._task = asyncio.create_task(self._follow(), name=f"watch {self._folder}")
        self._changed.set()
        return True

    async def wait(self, seconds: float) -> bool:
        """See `Watch.wait`."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def close(self) -> None:
        """See `Watch.close`."""
        self._stop.set()
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        # The folder may go at any moment; the next `arm` finds out.
        with contextlib.suppress(OSError):
            async for _ in awatch(
                self._folder,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                recursive=False,
                stop_event=self._stop,
            ):
                self._changed.set()
                if not self._folder.is_dir():
                    return
