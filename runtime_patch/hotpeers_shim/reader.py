"""Follows the peer file: its newest good content, and why a newer content was refused.

Each check costs one `stat`. The file is read only if its identity, size or times have changed.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from .contract import MAX_FILE_BYTES, Nack, PeerFile, Rejection, load_peer_file

_Signature = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """The last good file, and the refusal of a newer one. Both are None if they do not exist."""

    file: PeerFile | None = None
    rejection: Rejection | None = None


class PeerReader:
    """Reads one peer file, from any thread.

    `current` never raises: a missing, unreadable or refused file leaves the last good file live.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._signature: _Signature | None = None
        self._view = View(rejection=_missing(path))

    def current(self) -> View:
        """The current view. Costs one `stat` if the file is unchanged."""
        try:
            signature = _signature(os.stat(self._path))  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            signature = None
        if signature != self._signature or signature is None:
            with self._lock:
                self._refresh()
        return self._view

    def _refresh(self) -> None:
        signature, outcome = self._read()
        if signature is not None and signature == self._signature:
            return
        self._signature = signature
        if isinstance(outcome, Rejection):
            # Keep the same object if nothing changed: callers compare views by identity.
            if outcome != self._view.rejection:
                self._view = replace(self._view, rejection=outcome)
        else:
            self._view = View(file=outcome)

    def _read(self) -> tuple[_Signature | None, PeerFile | Rejection]:
        try:
            with self._path.open("rb") as stream:
                # Take it before the read, so that the next call notices a change during the read.
                signature = _signature(os.fstat(stream.fileno()))
                raw = stream.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None, _missing(self._path)
        except OSError as error:
            return None, Rejection(Nack.FILE_UNREADABLE, "", f"{self._path}: {error.strerror}")
        known = self._view.file.peers if self._view.file else ()
        return signature, load_peer_file(raw, known)


def _missing(path: Path) -> Rejection:
    return Rejection(Nack.FILE_MISSING, "", f"{path} does not exist")


def _signature(stat: os.stat_result) -> _Signature:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
