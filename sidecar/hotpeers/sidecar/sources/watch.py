"""Reports that something in a folder changed. The caller has to scan the folder for the change.

Uses watchfiles with shorter times than its defaults (50 ms steps, 1.6 s debounce), which are meant for
reloading programs. It may miss changes, for example on network file systems, so callers also scan
periodically.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from watchfiles import awatch

_STEP_MS = 5
_DEBOUNCE_MS = 10


class FolderWatch:
    """One watched folder. It may be missing, be created later, or be replaced by another folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = asyncio.Event()
        self._identity: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    def arm(self) -> bool:
        """Make sure that changes from now on are reported. Returns False if that is not possible.

        If the folder was replaced by another one with the same name, the new one is watched.
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
        # Changes between the caller's last scan and now were missed: report one.
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
        # The folder may be removed at any moment; the next `arm` detects that.
        with contextlib.suppress(OSError):
            async for _ in awatch(
                self._folder, debounce=_DEBOUNCE_MS, step=_STEP_MS, recursive=False
            ):
                self._changed.set()
                if not self._folder.is_dir():
                    return
