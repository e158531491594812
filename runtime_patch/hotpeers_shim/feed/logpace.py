"""Decides when to log whether the list is followed. Pure."""

from __future__ import annotations

from collections import deque

PERIOD_SECONDS = 60.0
"""How often a lasting problem is logged."""
MOST_LINES = 6
"""The largest number of lines in a period, for a problem that comes and goes."""


class LogPace:
    """Each change of the state is logged at once, so the last line tells the state."""

    def __init__(self) -> None:
        self._logged = ""
        self._times: deque[float] = deque(maxlen=MOST_LINES)

    def is_due(self, problem: str, now: float) -> bool:
        """Whether to log the state now; then it counts as logged. An empty `problem` is the end of it.

        Ask again with the next answer if not: too many changes are left out until there is room.
        """
        if problem == self._logged and not (problem and now - self._times[-1] >= PERIOD_SECONDS):
            return False
        if len(self._times) == MOST_LINES and now - self._times[0] < PERIOD_SECONDS:
            return False
        self._logged = problem
        self._times.append(now)
        return True
