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
SIGN_SECONDS = 2.0
"""The probe ignores an older file (up to one second later, because it compares whole seconds)."""

# The machine's number in ELF, and the machine code.
_MACHINES = {
    "x86_64": (
        62,
        bytes.fromhex(
            "4531e448833c24020f8288000000488b5c24104881eca0000000b80601000048c7c79cffffff4889"
            "de4889e241ba000100000f0585c0755eb8e400000031ff488db424900000000f0585c07549488b84"
            "2490000000482b4424584883c0024883f8047732b80701000048c7c79cffffff4889de31d20f0585"
            "c0751b41ffc4b801000000bf01000000488d3511000000ba4a0000000f05b8e70000004489e70f05"
            "686f74706565727320726573746172747320746865206167656e742c207768696368206973206964"
            "6c653a2069747320636f6e66696775726174696f6e20686173206368616e6765640a"
        ),
    ),
    "aarch64": (
        183,
        bytes.fromhex(
            "130080d2e00340f91f0800f123040054f40b40f9ff4302d1600c8092e10314aae2030091032080d2"
            "e80980d2010000d4000300b5000080d2e1030291280e80d2010000d4600200b5e04340f9e12f40f9"
            "000001cb000800911f1000f1a8010054600c8092e10314aa020080d2680480d2010000d4e00000b5"
            "330080d2200080d2e1000010420980d2080880d2010000d4e00313aac80b80d2010000d4686f7470"
            "6565727320726573746172747320746865206167656e742c2077686963682069732069646c653a20"
            "69747320636f6e66696775726174696f6e20686173206368616e6765640a"
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
