"""Gives memory back that only the start needed, and keeps what stays out of collections."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_ARENAS = 2
_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of the same."""
_LARGE_BYTES = 128 * 1024


def share_arenas() -> None:
    """Let all threads allocate from the same few arenas: each one of their own keeps what it once had."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def return_large_blocks() -> None:
    """Give each large block back to the system when it is free, whatever lies behind it.

    By itself glibc takes blocks of the size of those that were freed from its heap from then on.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def settle() -> None:
    """Collect, keep what is left out of later collections, and give free memory back to the system.

    What is there stays. A full collection would look through all of it, for tens of milliseconds, at
    any event.
    """
    gc.collect()
    gc.freeze()
    # Of other C libraries than glibc there is none.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
