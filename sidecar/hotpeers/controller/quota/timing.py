"""The times of counts under SpawnPolicies."""

from __future__ import annotations

from dataclasses import dataclass

from .ledger import HOLD_SECONDS


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds; only tests change the defaults.

    `hold`: how long an admitted request may create its agent. `bound`: the limit of one admission, and
    of each request to the API server. `settle_pause`: between two searches for free slots that an
    imminent denial causes. `flush`: between two writes of denials.
    """

    hold: float = HOLD_SECONDS
    bound: float = 3.0
    settle_pause: float = 2.0
    flush: float = 5.0
