"""Reads inputs that are named on the command line: files, standard input and pipes of a shell."""

from __future__ import annotations

import sys
from pathlib import Path

from ..model.yaml.file import read_file

_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_input(name: str, limit: int) -> bytes:
    """The first `limit` + 1 bytes of a file, or of standard input for `-`. Raises OSError.

    A pipe from the shell, as in `<(helm template …)`, is read. A named pipe is not read, because it
    may never be written to.
    """
    if name == "-":
        if sys.stdin is None:
            raise OSError(0, "standard input is closed")
        return sys.stdin.buffer.read(limit + 1)
    if name.startswith(_PIPES):
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    return read_file(name, limit)
