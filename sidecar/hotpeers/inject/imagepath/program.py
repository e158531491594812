"""The program's bytes: what an assembler makes of the `.S` files beside this one, in an ELF file.

A test assembles them anew, and runs them.
"""

from __future__ import annotations

import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

PROGRAM = "image-pythonpath"
"""Its file on the shim's volume."""
ANSWER = "image-pythonpath"
"""The file that it is told to write, beside the acks; the bootstrap of the shim knows this name."""

# The number of the machine in ELF, and the code.
_MACHINES = {
    "x86_64": (
        62,
        bytes.fromhex(
            "488b0c244883f9027260488d5ccc10488d155d000000488b3b4885ff744c4883c3084889d6b90b00"
            "0000f3a675e84989fcb801010000bf9cffffff488b742410ba4102020041baa40100000f0585c078"
            "1989c74c89e631d2803c1600740548ffc2ebf5b8010000000f05b8e700000031ff0f05505954484f"
            "4e504154483d"
        ),
    ),
    "aarch64": (
        183,
        bytes.fromhex(
            "e00340f91f0800f1a3030054f3430091740240f9730e008b758640f8150300b441030010620180d2"
            "a3164038241440387f00046b21ffff54420400f161ffff54080780d2600c8092e10314aa224890d2"
            "833480d2010000d42001f837e10315aa020080d2236862386300003442040091fdffff17080880d2"
            "010000d4c80b80d2000080d2010000d4505954484f4e504154483d"
        ),
    ),
}
_ADDRESS = 0x400000
_PAGE = 0x10000
_HEADER, _SEGMENT = 64, 56


def is_known(machine: str = "") -> bool:
    """Whether there is a program for that machine, "" being this one."""
    return (machine or os.uname().machine) in _MACHINES


def make_program(machine: str = "") -> bytes:
    """The program for a machine, "" being this one; KeyError where there is none."""
    number, code = _MACHINES[machine or os.uname().machine]
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


def install_program(folder: Path) -> None:
    """Write it to the folder, for every user to run, unless it is there; OSError.

    Where this machine has none, nothing is done: then no pod is told to run it.
    """
    if not is_known():
        return
    program, place = make_program(), folder / PROGRAM
    with suppress(OSError):
        if place.read_bytes() == program:
            return
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{PROGRAM}.", dir=folder)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(program)
            os.fchmod(file.fileno(), 0o755)
        Path(name).replace(place)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
