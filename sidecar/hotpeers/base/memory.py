"""Returns memory that only the start needed, and excludes lasting objects from collections."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_ARENAS = 2
_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of glibc's malloc.h."""
_LARGE_BYTES = 128 * 1024


def share_arenas() -> None:
    """Limit malloc to a few arenas that all threads share, because each arena keeps its memory."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def return_large_blocks() -> None:
    """Return each large block to the system as soon as it is freed.

    Without a fixed threshold, glibc raises it: after a large block is freed, later blocks of that size
    come from the heap, which can shrink only at its end.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def settle() -> None:
    """Collect garbage, exclude the remaining objects from collections, and return free memory.

    The remaining objects last as long as the process. A full collection would scan all of them, for
    tens of milliseconds, during any event.
    """
    gc.collect()
    gc.freeze()
    # Only glibc has `malloc_trim`.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
