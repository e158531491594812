"""The program as an ELF file, with machine code assembled from the `.S` files in this folder.

A test assembles the sources again and runs the programs.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..elf import install_elf, make_elf

PROGRAM = "probe"
"""The program's file on the volume that the agent and the sidecar share."""
SIGN = "restart"
"""The file on the same volume that asks for a restart of the agent's container."""

# The machine's number in ELF, and the machine code.
_MACHINES = {
    "x86_64": (
        62,
        bytes.fromhex("31db48833c24027211b857000000488b7c24100f0585c00f94c3b8e700000089df0f05"),
    ),
    "aarch64": (
        183,
        bytes.fromhex(
            "130080d2e00340f91f0800f103010054600c8092e10b40f9020080d2680480d2010000d41f0000f1"
            "f3179f9ae00313aac80b80d2010000d4"
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
    """Write the program to the folder. Raises OSError, and KeyError on an unknown machine."""
    install_elf(make_program(), folder / PROGRAM)
