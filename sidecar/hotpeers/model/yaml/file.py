"""Reads a file of a source that is not trusted: a bounded part of it, and never what may block."""

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
    """There is something of this name that is no file; `strerror` says what."""

    def __init__(self, what: str) -> None:
        super().__init__(0, f"{what}; only files are read")


def read_file(path: str | Path, limit: int) -> bytes:
    """The first `limit` + 1 bytes of a file, so that a longer one is seen to be; OSError otherwise.

    Only a regular file is opened: to open a pipe may block, and to open a device may do anything.
    """
    check_regular(stat_file(path))
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
        # Another may have been put in its place since.
        check_regular(os.fstat(file.fileno()))
        return file.read(limit + 1)


def stat_file(path: str | Path) -> os.stat_result:
    """The status of what a path leads to; `NotAFileError` for a link that leads nowhere."""
    try:
        return os.stat(path)  # noqa: PTH116 - Path costs more than stat
    except FileNotFoundError:
        # This raises it again where there is no link either.
        os.lstat(path)
        raise NotAFileError("a link to what is not there") from None


def check_regular(status: os.stat_result) -> None:
    """`NotAFileError` for what is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(_KINDS.get(stat.S_IFMT(status.st_mode), "something unknown"))
