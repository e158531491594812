"""When this container started: its environment, with what it has of Secrets, is from then."""

from __future__ import annotations

import os
import time
from pathlib import Path

_FIRST = Path("/proc/1/stat")


def container_start(process_start: float, stat: Path = _FIRST) -> float:
    """When the first process of the container started, in seconds since the epoch; 0.0 if unknown.

    A supervisor may start this process again, with the environment that the container began with: so
    the start of the process itself proves nothing. In a pod that shares its process namespace the
    first process is the pod's own, which is older still.
    """
    if os.getpid() == 1:
        return process_start
    try:
        # The fields behind the name, which stands in brackets and may hold anything (proc(5)): the
        # 22nd of all is the start, in clock ticks since the machine started.
        ticks = int(stat.read_text("ascii", "replace").rpartition(")")[2].split()[19])
        up = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return min(process_start, time.time() - up) if up >= 0 else 0.0
