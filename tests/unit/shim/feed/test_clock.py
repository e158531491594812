"""Each clock that may show that the process stood still, and pauses that end then."""

import threading
import time

import pytest

from hotpeers_shim.feed import clock
from hotpeers_shim.feed.clock import Instant, jumped, pause

BEFORE = Instant(100.0, 200.0, 1_000.0)


@pytest.mark.parametrize(
    ("after", "still"),
    [
        (Instant(101.0, 201.0, 1_001.0), False),
        (Instant(101.4, 201.4, 1_001.4), False),
        (Instant(101.6, 201.6, 1_001.6), True),  # stopped
        (Instant(101.0, 3_801.0, 4_601.0), True),  # the machine was suspended
        (Instant(101.0, 201.0, 90_000.0), True),  # restored from a snapshot
        (Instant(101.0, 201.0, 900.0), True),  # restored where the clock is behind
        (Instant(101.0, 3.0, 1_001.0), True),  # restored on a machine that started later
        (Instant(101.0, 201.0, 999.5), False),  # the clock was corrected a little
    ],
)
def test_any_clock_shows_a_jump(after, still):
    assert jumped(BEFORE, after) is still


def test_a_pause_ends_when_a_clock_jumped(monkeypatch):
    readings = iter([0.0, 3_600.0])
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real()._replace(wall=next(readings)))
    began = time.monotonic()
    assert pause(60.0, threading.Event()) is True
    assert time.monotonic() - began < 30


def test_a_pause_ends_after_its_time_or_on_request():
    stop = threading.Event()
    assert pause(0.01, stop) is False
    stop.set()
    assert pause(600.0, stop) is False
