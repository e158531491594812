"""Notices that the process stood still, such as over a suspend and resume.

After that, connections are dead without a sign of it, so waiting for an answer is useless. No single
clock shows each case: a stopped process sees the monotonic clock jump, a suspended machine only the
boot-time clock, and a process that is restored from a snapshot perhaps only the wall clock.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

SLICE = 0.5
"""The longest wait without a look at the clocks, in seconds."""
TOLERANCE = 1.0
"""How much longer than `SLICE` a wait may take on a busy machine, in seconds."""

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Instant(NamedTuple):
    """The readings of three clocks at one moment, in seconds."""

    monotonic: float
    boot: float
    wall: float


def now() -> Instant:
    """The current readings."""
    return Instant(time.monotonic(), time.clock_gettime(_BOOT), time.time())


def jumped(before: Instant, after: Instant) -> bool:
    """Whether the process stood still, or a clock was set, during a wait of at most `SLICE`.

    A false alarm (the clock was set by hand) costs one new connection.
    """
    steps = [late - early for early, late in zip(before, after, strict=True)]
    return any(step > SLICE + TOLERANCE or step < -TOLERANCE for step in steps)


def pause(seconds: float, stop: threading.Event) -> bool:
    """Wait for `seconds`, for `stop`, or until the process stood still. Returns the last of these."""
    end = time.monotonic() + seconds
    while not stop.is_set():
        before = now()
        left = end - before.monotonic
        if left <= 0:
            break
        stop.wait(min(SLICE, left))
        if jumped(before, now()):
            return True
    return False
