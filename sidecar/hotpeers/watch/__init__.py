"""Notices that something in a folder changed. What changed is for the caller to see by looking.

On Linux this is inotify on the event loop: no thread, and no wake-up while nothing happens.
Elsewhere it is watchfiles. Both may miss a change (network file systems), so callers look again
now and then as well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol


class Watch(Protocol):
    """One watched folder. It may be missing, come later, or be replaced by another."""

    def arm(self) -> bool:
        """Make sure that changes from now on are noticed; False where that is not possible now."""

    async def wait(self, seconds: float) -> bool:
        """Return True at the next change, False when `seconds` have passed without one."""

    def close(self) -> None:
        """Stop watching."""


def watch_folder(folder: Path) -> Watch:
    """The best watch that this system has. It works within a running event loop only."""
    if sys.platform == "linux":
        from .inotify import InotifyWatch  # noqa: PLC0415 - libc has no inotify elsewhere

        return InotifyWatch(folder)
    from .portable import PortableWatch  # noqa: PLC0415

    return PortableWatch(folder)
