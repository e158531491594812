"""Reads untrusted files: only regular files, which cannot block, and only a bounded part of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


class NotAFileError(OSError):
    """The path leads to something that is not a regular file; `strerror` says to what."""

    def __init__(self, what: str) -> None:
        super().__init__(0, f"{what}; only files are read")


def read_file(path: str | Path, limit: int) -> bytes:
    """The first `limit` + 1 bytes of a file, so that the caller can detect a longer file.

    Raises OSError. Only a regular file is opened: opening a pipe may block, and opening a device may
    have any effect.
    """
    check_regular(stat_file(path))
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
        # Check again: the file may have been replaced in the meantime.
        check_regular(os.fstat(file.fileno()))
        return file.read(limit + 1)


def stat_file(path: str | Path) -> os.stat_result:
    """The status of the target of a path; raises `NotAFileError` for a broken link."""
    try:
        return os.stat(path)  # noqa: PTH116 - Path costs more than stat
    except FileNotFoundError:
        # This raises FileNotFoundError again if there is no link either.
        os.lstat(path)
        raise NotAFileError("a link to a missing file") from None


def check_regular(status: os.stat_result) -> None:
    """Raise `NotAFileError` unless it is a regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(_KINDS.get(stat.S_IFMT(status.st_mode), "something unknown"))
