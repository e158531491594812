"""Growing pauses between the tries of something that keeps failing."""

from __future__ import annotations


class Backoff:
    """Pauses in seconds: the first is `first`, each next one is `factor` times longer.

    No pause after the first exceeds `longest`. Callers add their own jitter.
    """

    __slots__ = ("_factor", "_first", "_longest", "_pause")

    def __init__(self, first: float, longest: float, *, factor: float = 2.0) -> None:
        self._first = first
        self._longest = longest
        self._factor = factor
        self._pause = first

    def next(self) -> float:
        """The pause before the next try. The pause after it is longer."""
        pause = self._pause
        self._pause = min(pause * self._factor, self._longest)
        return pause

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self._pause = self._first


def pause_after(failures: int, first: float, longest: float) -> float:
    """The pause after so many failures in a row: `first` seconds after one, then doubled each time."""
    # The exponent is limited, because a large power is no float.
    return float(min(first * 2.0 ** min(failures - 1, 32), longest))
