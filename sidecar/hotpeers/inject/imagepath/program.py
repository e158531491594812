"""The program as an ELF file, with machine code assembled from the `.S` files in this folder.

A test assembles the sources again and runs the programs.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..elf import install_elf, make_elf

PROGRAM = "image-pythonpath"
"""The program's file on the shim's volume."""
ANSWER = "image-pythonpath"
"""The file that the program writes, in the folder of acks. The shim's bootstrap reads this name."""

# The machine's number in ELF, and the machine code.
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


def is_known(machine: str = "") -> bool:
    """Whether a program for that machine exists; "" means this machine."""
    return (machine or os.uname().machine) in _MACHINES


def make_program(machine: str = "") -> bytes:
    """The program for a machine; "" means this machine. Raises KeyError if there is none."""
    return make_elf(_MACHINES, machine)


def install_program(folder: Path) -> None:
    """Write the program to the folder, executable for all users, unless it exists. Raises OSError.

    Does nothing if there is no program for this machine. In that case, no pod runs it.
    """
    if is_known():
        install_elf(make_program(), folder / PROGRAM)
