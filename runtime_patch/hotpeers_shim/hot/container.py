"""The start time of this container. Its environment, with the values of Secrets, is from then."""

from __future__ import annotations

import os
import time
from pathlib import Path

_FIRST = Path("/proc/1/stat")


def container_start(process_start: float, stat: Path = _FIRST) -> float:
    """The start of the container's first process, in seconds since the epoch; 0.0 if unknown.

    The start of this process itself proves nothing: a supervisor may restart it later with the
    container's original environment. If the pod shares its process namespace, the first process is
    that of the pod, which is even older.
    """
    if os.getpid() == 1:
        return process_start
    try:
        # proc(5): the 22nd field is the start, in clock ticks since the boot of the machine. Split
        # after the name, which is in parentheses and may contain any character.
        ticks = int(stat.read_text("ascii", "replace").rpartition(")")[2].split()[19])
        up = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return min(process_start, time.time() - up) if up >= 0 else 0.0
