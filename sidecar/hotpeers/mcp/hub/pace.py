"""Limits how many calls begin in a minute: a token bucket."""

from __future__ import annotations

import time
from collections.abc import Callable

_MINUTE = 60.0


class Pace:
    """Allows `per_minute` calls in a minute, and as many at once after a quiet minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most = per_minute
        self._left = float(per_minute)
        self._seen = clock()

    def change(self, per_minute: int) -> None:
        """Change the limit. What was used stays used."""
        self._refill()
        self._left = min(max(self._left + per_minute - self._most, 0.0), float(per_minute))
        self._most = per_minute

    def begin(self) -> float:
        """Count a call that begins. Returns 0, or the seconds to wait if it must not begin now."""
        self._refill()
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) * _MINUTE / self._most

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._left + (now - self._seen) * self._most / _MINUTE, float(self._most))
        self._seen = now
