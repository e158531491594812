"""Writes the ack of this process to `ack-<pid>.json`, atomically."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .contract import Ack, dump_ack


class AckWriter:
    """One ack file, replaced as a whole on each write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"ack-{os.getpid()}.json"

    def write(self, ack: Ack) -> None:
        """Replace the ack file. Raises OSError if the folder cannot be created or written to."""
        self._folder.mkdir(mode=0o755, exist_ok=True)
        temporary = self._path.with_suffix(f".tmp{os.getpid()}")
        try:
            temporary.write_bytes(dump_ack(ack))
            temporary.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    def remove(self) -> None:
        """Delete the ack file, when the process exits normally."""
        with contextlib.suppress(OSError):
            self._path.unlink()
