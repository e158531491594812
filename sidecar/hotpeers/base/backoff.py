"""Growing pauses between retries."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that grow from `first` to `longest` seconds by a `factor`.

    `jitter` is the least part of a pause that is waited: with 0.5, a pause of 2 s becomes 1 to 2 s.
    It keeps many processes from retrying at the same moment. 1.0 means no jitter.
    """

    def __init__(
        self, first: float, longest: float, *, factor: float = 2.0, jitter: float = 1.0
    ) -> None:
        self._first = first
        self._longest = longest
        self._factor = factor
        self._jitter = jitter
        self._pause = first

    def next(self) -> float:
        """The seconds to wait now. The next pause is longer."""
        pause, self._pause = self._pause, min(self._pause * self._factor, self._longest)
        return pause * random.uniform(self._jitter, 1.0)  # noqa: S311 - jitter

    def reset(self) -> None:
        """Begin with the first pause again, after a success."""
        self._pause = self._first


def pause_after(failures: int, first: float, longest: float, *, factor: float = 2.0) -> float:
    """The pause after so many failures in a row: `first` seconds after one, longer by `factor` each."""
    # The exponent is limited, because a large power is no float.
    return float(min(first * factor ** min(failures - 1, 32), longest))
