"""Limits failed sign-ins, so that the API server is not flooded with tokens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MOST_FAILURES = 20
"""Failed sign-ins from one address in `WINDOW_SECONDS`."""
WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 4_096


class Attempts:
    """Counts failed sign-ins by address. A successful one costs nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}

    def pause(self, address: str) -> float:
        """The seconds until this address may try again; 0.0 if it may now."""
        failed = self._recent(address)
        if len(failed) < MOST_FAILURES:
            return 0.0
        return max(failed[0] + WINDOW_SECONDS - self._clock(), 0.0)

    def note_failure(self, address: str) -> None:
        """Count a failed sign-in."""
        failed = self._recent(address)
        failed.append(self._clock())
        # The address that failed last is kept longest.
        self._failed.pop(address, None)
        self._failed[address] = failed
        while len(self._failed) > _MOST_ADDRESSES:
            del self._failed[next(iter(self._failed))]

    def _recent(self, address: str) -> deque[float]:
        failed = self._failed.get(address)
        if failed is None:
            return deque(maxlen=MOST_FAILURES)
        while failed and failed[0] + WINDOW_SECONDS <= self._clock():
            failed.popleft()
        return failed
