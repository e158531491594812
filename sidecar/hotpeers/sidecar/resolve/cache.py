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

from hotpeers_shim.contract import Peer, encode_peer

from ...model.snapshot import Candidate, CardKey
from ..cards.reader import CardState
from .eligibility import Refused, Rules, decide, wants_card

_FEW = 64
_order = attrgetter("order")


@dataclass(slots=True)
class Row:
    """A decision about one candidate, and the inputs that it depends on.

    A peer that is kept because its source cannot be read has no `candidate` and no `state`. `key` is
    the agent card to read; None if no card is needed. `bound` is an upper bound for the bytes of the
    peer in the peer file. `size` is the exact number of bytes; -1 until it is computed.
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
class Cache:
    """The rows by the `source` of their candidates, and the candidates in the order of creation."""

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
        outcome = decide(candidate, state, rules, labels, before)
        # Reuse the existing object for an equal decision, so that it stays identical.
        last = row.outcome if row else None
        outcome = next((one for one in (before, last) if one == outcome and one), outcome)
        key = candidate.card_key if wants_card(candidate, outcome) else None
        bound = upper_bound(outcome) if isinstance(outcome, Peer) else 0
        return Row(candidate, state, before, labels, outcome, key, bound)

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


def true_size(row: Row) -> int:
    """The exact bytes of a row's peer in the peer file, with the comma; computed only once."""
    if row.size < 0 and isinstance(row.outcome, Peer):
        row.size = peer_size(row.outcome)
    return row.size


def peer_size(peer: Peer) -> int:
    """The bytes of a peer in the peer file, with the comma after it."""
    return len(encode_peer(peer)) + 1


def upper_bound(peer: Peer) -> int:
    """An upper bound for the bytes of a peer, at a tenth of the cost of encoding it."""
    length = len(peer.description) + len(peer.url) + len(peer.cardPath) + len(peer.source)
    for skill in peer.skills:
        length += len(skill.id) + len(skill.name) + len(skill.description) + 60
        length += sum(len(tag) + 3 for tag in skill.tags)
    for one in peer.interfaces:
        length += len(one.url) + len(one.tenant) + len(one.protocolVersion) + 100
    # JSON needs at most 6 bytes for a character (\uXXXX). Names and fixed text stay below 2 kB.
    return 6 * length + 2048
