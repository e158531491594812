"""Notices that something in a folder changed. What changed is for the caller to see by looking.

watchfiles does the watching; its defaults (50 ms steps, 1.6 s debounce) are for reloading programs.
It may miss a change (network file systems), so callers look again now and then as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from watchfiles import awatch

_STEP_MS = 5
_DEBOUNCE_MS = 10


class FolderWatch:
    """One watched folder. It may be missing, come later, or be replaced by another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = asyncio.Event()
        self._identity: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    def arm(self) -> bool:
        """Make sure that changes from now on are noticed; False where that is not possible now.

        Follows a folder that was replaced by another of the same name.
        """
        try:
            found = self._folder.stat()
        except OSError:
            self.close()
            return False
        identity = (found.st_dev, found.st_ino)
        if self._task is not None and not self._task.done() and identity == self._identity:
            return True
        self.close()
        self._identity = identity
        self._task = asyncio.create_task(self._follow(), name=f"watch {self._folder}")
        # What happened between the caller's last look and now was not noticed.
        self._changed.set()
        return True

    async def wait(self, seconds: float) -> bool:
        """Return True at the next change, False when `seconds` have passed without one."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    async def _follow(self) -> None:
        # The folder may go at any moment; the next `arm` finds out.
        with contextlib.suppress(OSError):
            async for _ in awatch(
                self._folder, debounce=_DEBOUNCE_MS, step=_STEP_MS, recursive=False
            ):
                self._changed.set()
                if not self._folder.is_dir():
                    return
