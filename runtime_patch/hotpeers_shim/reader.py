"""Follows the peer file: its newest good content, and why a newer content was refused.

Each check costs one `stat`. The file is read only if its identity, size or times have changed.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from .contract import MAX_FILE_BYTES, Nack, PeerFile, Rejection, load_peer_file

LARGE_FILE_BYTES = 256 * 1024
"""Size of a peer file that takes too long for an event loop: 10,000 peers take 0.1 to 0.3 s."""

_Signature = tuple[int, int, int, int, int]
_SIZE = 2


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

    def current(self, is_later: Callable[[int], bool] = lambda _: False) -> View:
        """The current view. Costs one `stat` if the file is unchanged.

        A changed file is not read now if `is_later` is true of its size in bytes.
        """
        signature = self._stat()
        unchanged = signature is not None and signature == self._signature
        if not unchanged and (signature is None or not is_later(signature[_SIZE])):
            with self._lock:
                self._refresh()
        return self._view

    def unread(self) -> int:
        """The size in bytes of a changed file that was not read yet; 0 if there is none."""
        signature = self._stat()
        return 0 if signature is None or signature == self._signature else signature[_SIZE]

    def _stat(self) -> _Signature | None:
        try:
            return _signature(os.stat(self._path))  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None

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
        with _collections_paused() if len(raw) > LARGE_FILE_BYTES else nullcontext():
            return signature, load_peer_file(raw, known)


@contextmanager
def _collections_paused() -> Iterator[None]:
    """Pause Python's cycle collector, in all threads.

    The JSON of a large file has 100,000s of objects without cycles, and the collector would look at
    them, and at all objects of the agent, again and again: with 10,000 peers that takes longer than
    everything else.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _missing(path: Path) -> Rejection:
    return Rejection(Nack.FILE_MISSING, "", f"{path} does not exist")


def _signature(stat: os.stat_result) -> _Signature:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
