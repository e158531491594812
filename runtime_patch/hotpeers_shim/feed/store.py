"""Replaces the peer file as its only writer. The last good file is never touched by a failure."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger("hotpeers_shim")


class Store:
    """The peer file of this process, if the process has the lock of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None
        self._pid = 0

    def acquire(self) -> bool:
        """Whether this process may write. False if another process holds the lock.

        The lock is that of `hotpeers run`, so a sidecar is a writer too. The kernel releases it when
        the process ends. Raises OSError if the folder cannot be written to. On a file system without
        locks it returns True: the file is replaced as a whole, so two writers do no harm.
        """
        if self._lock is not None and self._pid == os.getpid():
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f".{self._path.name}.lock")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            logger.debug("no lock at %s: %s", beside, error)
        self._lock, self._pid = descriptor, os.getpid()
        # A forked child inherits the lock with the descriptor, and would keep it from all others.
        os.register_at_fork(after_in_child=self._forget)
        self._clean()
        return True

    def release(self) -> None:
        """Let another process write."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None

    def write(self, content: bytes) -> None:
        """Replace the file. Raises OSError; the previous file is then unchanged."""
        descriptor, name = tempfile.mkstemp(
            prefix=f".{self._path.name}.", suffix=".tmp", dir=self._path.parent
        )
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        # Not every file system can sync a folder, and the new file is in place already.
        with contextlib.suppress(OSError):
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _forget(self) -> None:
        if self._lock is not None and self._pid != os.getpid():
            self.release()

    def _clean(self) -> None:
        """Remove what a writer left that was killed."""
        with contextlib.suppress(OSError):
            for left in self._path.parent.glob(f".{self._path.name}.*.tmp"):
                left.unlink()
