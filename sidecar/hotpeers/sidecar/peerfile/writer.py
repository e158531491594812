"""Writes the peer file: atomically, and only when its content changes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotpeers_shim.contract import (
    MAX_FILE_BYTES,
    Nack,
    Peer,
    PeerFile,
    Rejection,
    load_peer_file,
    peer_file_parts,
)

from ...base.errors import PeerFileError
from .encoding import Encodings

# The contract's upper bound for generations, exclusive; after it they start again at 1.
_GENERATIONS = 2**63
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ProjectionError(Exception):
    """The peer file could not be written; the previous file is unchanged."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The content of the peer file. `written` is False if the file had this content already."""

    generation: int
    digest: str
    peers: tuple[Peer, ...]
    written: bool


class Projector:
    """The only writer of one peer file.

    It continues the generations of an existing file. `rejection` says why an existing file could
    not be used, and is None otherwise.
    """

    def __init__(self, path: Path, orchestrator: str = "") -> None:
        self._path = path
        self._orchestrator = orchestrator
        self._encodings = Encodings()
        self.rejection: Rejection | None = None
        self._current: PeerFile | None = None
        found = self._read()
        if isinstance(found, PeerFile):
            self._current = found
        elif found.reason is not Nack.FILE_MISSING:
            self.rejection = found

    @property
    def peers(self) -> tuple[Peer, ...]:
        """The peers in the current file."""
        return self._current.peers if self._current else ()

    @property
    def generation(self) -> int:
        """The generation of the current file; 0 without a file."""
        return self._current.generation if self._current else 0

    @property
    def digest(self) -> str:
        """The digest of the current file; "" without a file."""
        return self._current.digest if self._current else ""

    @property
    def intact(self) -> bool:
        """Whether the file is unchanged since the last write or the start; it was not replaced."""
        return self._stamp is not None and _stamp(self._path) == self._stamp

    def project(self, peers: Sequence[Peer], *, acked: int = 0) -> Projection:
        """Write `peers` to the file if they differ. Raises `ProjectionError` if that fails.

        `acked` is the largest generation that any agent has live. If there is no file to continue,
        the next generation must be larger than that, or the agent would take the new file for old.
        """
        now = self._current
        peers = tuple(peers)
        said = now is not None and (now.orchestrator, now.peers) == (self._orchestrator, peers)
        if now is not None and said and self.intact:
            return Projection(now.generation, now.digest, now.peers, written=False)
        encoded, digest = self._encodings.update(peers)
        generation = (self.generation if now else acked) + 1
        if generation >= _GENERATIONS:
            generation = 1
        parts = peer_file_parts(
            generation=generation, orchestrator=self._orchestrator, digest=digest, peers=encoded
        )
        try:
            replace_file(self._path, parts)
        except OSError as error:
            raise ProjectionError(f"{self._path}: {error.strerror or error}") from error
        self._current = PeerFile(generation, peers, self._orchestrator, digest)
        self._stamp = _stamp(self._path)
        return Projection(generation, digest, self._current.peers, written=True)

    def _read(self) -> PeerFile | Rejection:
        self._stamp = _stamp(self._path)
        try:
            with self._path.open("rb") as file:
                return load_peer_file(file.read(MAX_FILE_BYTES + 1))
        except FileNotFoundError:
            return Rejection(Nack.FILE_MISSING, "", "the file does not exist")
        except OSError as error:
            return Rejection(Nack.FILE_UNREADABLE, "", error.strerror or str(error))


def replace_file(path: Path, parts: Iterable[bytes]) -> None:
    """Replace the file atomically: a reader sees the whole old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            # The agent may run as another user of the pod.
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - one name for what tests make fail
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    # Sync the folder too, but ignore errors. Not every file system can do that, and the new file is
    # in place already, so the caller must not see a failure.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(path: Path) -> None:
    """Create the folder of a peer file, and check that files can be created in it.

    Raises `PeerFileError` if not. A full disk is not an error: there may be space later, and until
    then the existing file stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent):
            pass
    except OSError as error:
        if error.errno in _FULL:
            return
        raise PeerFileError(
            f"{path}: the peer file cannot be written: {error.strerror or error}; give user "
            f"{os.geteuid()} a directory that it can write to, or choose another --peer-file "
            "(HOTPEERS_PEER_FILE)"
        ) from error


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that a sidecar left because it was killed during a write."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.tmp")
    with contextlib.suppress(OSError):
        for entry in path.parent.iterdir():
            if ours.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    entry.unlink()


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns)
