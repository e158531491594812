"""How many Events a governed subject may write: what admission alone bounds, since RBAC cannot.

Counted by each replica for itself and only in memory: an Event too many is no danger, many are.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

MOST = 60
SECONDS = 60.0
_MAX_SUBJECTS = 10_000


class Pace:
    """At most `most` in any window of `seconds` for each key. `clock` is in seconds, and never goes back."""

    def __init__(
        self,
        most: int = MOST,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._at: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Count one more; False, and nothing counted, where there were as many as there may be."""
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
