"""Limits sign-ins that fail, so that the API server is not flooded with tokens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MOST_FAILURES = 20
"""Failed sign-ins of one client in `WINDOW_SECONDS`."""
WINDOW_SECONDS = 60.0
_MOST_CLIENTS = 4_096


class Attempts:
    """Counts sign-ins by client. One that succeeds costs nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}

    def pause(self, client: str) -> float:
        """The seconds until this client may try again; 0.0 if it may now."""
        failed = self._recent(client)
        if len(failed) < MOST_FAILURES:
            return 0.0
        return max(failed[0] + WINDOW_SECONDS - self._clock(), 0.0)

    def begin(self, client: str) -> None:
        """Count an attempt: as a failure, until `forgive` is called.

        So a client cannot begin many attempts before the first of them fails.
        """
        failed = self._recent(client)
        failed.append(self._clock())
        # The client that tried last is kept longest.
        self._failed.pop(client, None)
        self._failed[client] = failed
        while len(self._failed) > _MOST_CLIENTS:
            del self._failed[next(iter(self._failed))]

    def forgive(self, client: str) -> None:
        """An attempt did not fail, or not through the client: it no longer counts."""
        failed = self._failed.get(client)
        if failed:
            failed.pop()
        if not failed:
            self._failed.pop(client, None)

    def _recent(self, client: str) -> deque[float]:
        failed = self._failed.get(client)
        if failed is None:
            return deque(maxlen=MOST_FAILURES)
        while failed and failed[0] + WINDOW_SECONDS <= self._clock():
            failed.popleft()
        return failed
