"""Limits the rate at which a governed subject writes Events. RBAC cannot do that.

Each replica counts for itself, in memory: a few Events too many do no harm, a flood does.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

MOST = 60
SECONDS = 60.0
_MAX_SUBJECTS = 10_000


class Pace:
    """At most `most` per key in any window of `seconds`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        most: int = MOST,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._at: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Count one more. Returns False, and counts nothing, if the limit is reached."""
        now = self._clock()
        times = self._at.setdefault(key, deque())
        self._at.move_to_end(key)
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._most:
            return False
        times.append(now)
        while len(self._at) > _MAX_SUBJECTS:
            self._at.popitem(last=False)
        return True
