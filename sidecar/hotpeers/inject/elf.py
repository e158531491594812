"""Makes an ELF file from machine code: a program that runs in any image, also in one without a libc."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

Machines = Mapping[str, tuple[int, bytes]]
"""By the name of a machine (`uname -m`): its number in ELF, and the machine code."""

_ADDRESS = 0x400000
_PAGE = 0x10000
_HEADER, _SEGMENT = 64, 56


def make_elf(machines: Machines, machine: str = "") -> bytes:
    """The program for a machine; "" means this machine. Raises KeyError if there is none."""
    number, code = machines[machine or os.uname().machine]
    start = _HEADER + 2 * _SEGMENT
    size = start + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(identity, 2, number, 1, _ADDRESS + start, _HEADER, 0, 0),
        *(_HEADER, _SEGMENT, 2, 0, 0, 0),
    )
    loaded = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, _PAGE)
    # PT_GNU_STACK: without it, some kernels make every page executable.
    stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)
    return header + loaded + stack + code


def install_elf(program: bytes, place: Path) -> None:
    """Write the program to a file, executable for all users, unless it is there. Raises OSError."""
    with suppress(OSError):
        if _is_installed(program, place):
            return
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(program)
            os.fchmod(file.fileno(), 0o755)
        Path(name).replace(place)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _is_installed(program: bytes, place: Path) -> bool:
    # An agent can write to the folder too. `open` must not wait for a FIFO, or follow a link.
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        status = os.fstat(descriptor)
        right = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o755
        return right and file.read(len(program) + 1) == program
