"""How long to wait before the next request. Random numbers come from the kernel each time.

A process that is restored twice from one snapshot has the state of Python's generator twice, and its
copies would ask at the same moments.
"""

from __future__ import annotations

from random import SystemRandom

FIRST = 1.0
LONGEST = 60.0
"""The longest time between two tries, in seconds."""

_random = SystemRandom()


def after_failures(count: int, asked: float | None = None) -> float:
    """The delay after `count` failures in a row, in seconds; never less than the server `asked`."""
    longest = min(LONGEST, FIRST * 2.0 ** min(count - 1, 10))
    if asked is not None:
        return asked + _random.uniform(0, min(longest, asked / 4))
    return _random.uniform(longest / 2, longest)


def spread(seconds: float) -> float:
    """About `seconds`: up to a fifth more or less."""
    return seconds * _random.uniform(0.8, 1.2)
