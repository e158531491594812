"""Caches decisions from one resolution to the next.

The cache makes resolving faster and never changes the result. If one of a thousand candidates
changes, the others must not be decided again. So inputs are compared by identity: sources, the card
reader and the resolver pass on the same object for anything that did not change.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from hotpeers_shim.contract import Peer

from ...model.snapshot import Candidate
from ..cards.reader import CardState
from .eligibility import Rules
from .rows import Row, make_row
from .update import Base

_FEW = 64
_order = attrgetter("order")


@dataclass(slots=True)
class Cache:
    """The rows of the last resolution, and what is needed to update it.

    `rows` are by the `source` of their candidates, and `ordered` are the candidates in the order of
    creation; both may be older than `base`.
    """

    base: Base | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    ordered: list[Candidate] = field(default_factory=list)

    def row_of(
        self,
        candidate: Candidate,
        state: CardState,
        rules: Rules,
        labels: Mapping[str, str] | None,
        before: Peer | None,
    ) -> Row:
        """The row for a candidate: the cached one if all of its inputs are the same objects."""
        row = self.rows.get(candidate.source)
        if (
            row is not None
            and row.candidate is candidate
            and row.state is state
            and row.before is before
            and row.labels is labels
        ):
            return row
        return make_row(candidate, state, rules, labels, before, row)

    def catch_up(self) -> None:
        """Take over the rows of the updates since the last full resolution."""
        if self.base is not None:
            self.rows = {row.candidate.source: row for row in self.base.rows if row.candidate}
            self.ordered = [row.candidate for row in self.base.rows if row.candidate]

    def by_creation(self, candidates: Sequence[Candidate]) -> list[Candidate] | None:
        """The candidates in the order of creation; None if one creation time is unknown."""
        now = set(map(id, candidates))
        kept = [candidate for candidate in self.ordered if id(candidate) in now]
        if len(kept) < len(candidates):
            old = set(map(id, kept))
            fresh = [candidate for candidate in candidates if id(candidate) not in old]
            if any(candidate.created is None for candidate in fresh):
                self.ordered = []
                return None
            if len(fresh) <= _FEW:
                for candidate in fresh:
                    insort(kept, candidate, key=_order)
            else:
                kept = sorted([*kept, *fresh], key=_order)
        self.ordered = kept
        return kept
