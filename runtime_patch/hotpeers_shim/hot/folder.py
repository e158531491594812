"""Reads the mounted files of a configuration, and detects changes of them.

kubelet replaces all files of a volume at once. Each file name is a symlink through `..data`, which
is a symlink to the folder of one version (pkg/volume/util/atomic_writer.go). All files are read
from that folder, so that they are of the same version.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..contract import Nack, Rejection
from .content import Content
from .document import MAX_BYTES
from .hashing import Wanted
from .wanted import MAX_BYTES as MAX_ANNOTATION
from .wanted import parse_wanted

Stamp = tuple[int, int, int, int, int] | None
"""Device, inode, size and times of a file; None if the file does not exist."""

_TRIES = 3


class Folder:
    """The files of one agent's configuration.

    `path` holds config.json. `pod_info` holds the pod's annotations as files, `skills` is the
    configuration of the container that fetches skills. Both are None if the pod does not have them.
    """

    def __init__(
        self, path: Path, *, pod_info: Path | None = None, skills: Path | None = None
    ) -> None:
        self.path = path
        self._config = str(path / "config.json")
        self._skills = skills
        self._own_hash = pod_info / "config-hash" if pod_info else None
        self._wanted = pod_info / "held-config" if pod_info else None

    def stamp(self) -> Stamp:
        """The stamp of config.json. It costs one `stat`, a few microseconds."""
        try:
            return _stamp(os.stat(self._config))  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None

    def stamps(self) -> tuple[Stamp, ...]:
        """The stamps of all files, that of config.json first."""
        others = [self.path / "agent-card.json", self.path / "srt-settings.json"]
        others += [path for path in (self._skills, self._wanted) if path is not None]
        return (self.stamp(), *map(_stamp_of, others))

    def read(self) -> Content | Rejection:
        """All files of one version, or the reason why they cannot be read. Never raises."""
        for attempt in range(_TRIES):
            data = self.path / "..data"
            version = data.resolve() if data.is_symlink() else self.path
            found = self._read(version)
            gone = isinstance(found, Rejection) and found.reason is Nack.FILE_MISSING
            if not gone or attempt == _TRIES - 1 or not data.is_symlink():
                return found
        raise AssertionError  # the loop returns

    def own_hash(self) -> str:
        """The config-hash of the pod itself; "" if it is unknown."""
        raw = _read(self._own_hash, MAX_ANNOTATION) if self._own_hash else b""
        return raw.decode("ascii", "replace").strip() if isinstance(raw, bytes) else ""

    def wanted(self) -> Wanted | None:
        """The wanted configuration of a held pod; None if there is none or it is unreadable."""
        raw = _read(self._wanted, MAX_ANNOTATION) if self._wanted else b""
        return parse_wanted(raw) if isinstance(raw, bytes) else None

    def _read(self, version: Path) -> Content | Rejection:
        config = _read(version / "config.json")
        if isinstance(config, Rejection):
            return config
        card = _read(version / "agent-card.json")
        if isinstance(card, Rejection):
            return card
        srt = _optional(version / "srt-settings.json")
        if isinstance(srt, Rejection):
            return srt
        skills = _optional(self._skills) if self._skills else b""
        if isinstance(skills, Rejection):
            return skills
        return Content(config, card, srt, skills)


def _optional(path: Path) -> bytes | Rejection:
    found = _read(path)
    missing = isinstance(found, Rejection) and found.reason is Nack.FILE_MISSING
    return b"" if missing else found


def _read(path: Path, limit: int = MAX_BYTES) -> bytes | Rejection:
    try:
        # O_NONBLOCK: `open` must not wait for a FIFO. Only regular files are read.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Rejection(Nack.FILE_UNREADABLE, "", f"{path.name} is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                raw = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return Rejection(Nack.FILE_MISSING, "", f"{path.name} does not exist")
    except OSError as error:
        return Rejection(Nack.FILE_UNREADABLE, "", f"{path.name}: {error.strerror}")
    if len(raw) > limit:
        return Rejection(
            Nack.FILE_TOO_LARGE, "", f"{path.name} is larger than the limit of {limit} bytes"
        )
    return raw


def _stamp_of(path: Path) -> Stamp:
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
