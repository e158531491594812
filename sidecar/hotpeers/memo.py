"""What resolving found out before. It makes resolving faster, and never the result another."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from hotpeers_shim.contract import Peer

from .card import CardState
from .model.snapshot import Candidate, CardKey
from .offer import Refused

_FEW = 64
_order = attrgetter("order")


@dataclass(slots=True)
class Row:
    """A decision, and everything that it depended on, compared by identity.

    `candidate` is None for a peer that is held. `key` is the card that is wanted. `bound` is a
    number of bytes that the peer stays below, `size` the true one, once somebody counted.
    """

    candidate: Candidate | None
    state: CardState | None
    before: Peer | None
    labels: Mapping[str, str] | None
    outcome: Peer | Refused
    key: CardKey | None
    bound: int
    size: int = -1


@dataclass(slots=True)
class Memo:
    """The rows by the source of their candidates, and the candidates in their order.

    `tight` is whether the peers are so many that their true sizes must be counted.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    tight: bool = False
    _sorted: list[Candidate] = field(default_factory=list)

    def by_creation(self, candidates: Sequence[Candidate]) -> list[Candidate] | None:
        """The candidates by the time they were created; None where that of one is not known."""
        now = set(map(id, candidates))
        kept = [candidate for candidate in self._sorted if id(candidate) in now]
        if len(kept) < len(candidates):
            old = set(map(id, kept))
            fresh = [candidate for candidate in candidates if id(candidate) not in old]
            if any(candidate.created is None for candidate in fresh):
                self._sorted = []
                return None
            if len(fresh) <= _FEW:
                for candidate in fresh:
                    insort(kept, candidate, key=_order)
            else:
                kept = sorted([*kept, *fresh], key=_order)
        self._sorted = kept
        return kept
