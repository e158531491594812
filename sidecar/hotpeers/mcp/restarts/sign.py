"""The file that asks for a restart, and the program of the agent's liveness probe that looks for it.

The agent can write to their folder too. So nothing here follows a link, or waits.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ...inject.restartprobe.program import SIGN, install_program


class Sign:
    """The file, in the folder that is shared with the agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / SIGN

    def install(self) -> None:
        """Install the probe's program, unless it is there. Raises OSError; KeyError on an unknown machine."""
        install_program(self._folder)

    def exists(self) -> bool:
        """Whether a restart is asked for, and no probe has found that yet."""
        return os.path.lexists(self._path)

    def make(self) -> None:
        """Ask for a restart. Raises OSError."""
        self.remove()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(self._path, flags, 0o644))

    def renew(self) -> None:
        """Keep asking: the probe ignores a file that has not been renewed for `SIGN_SECONDS`."""
        with suppress(FileNotFoundError):
            os.utime(self._path, follow_symlinks=False)

    def remove(self) -> bool:
        """Take the request back. Returns whether no probe has found it. Raises OSError."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
