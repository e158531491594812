"""What resolving found out before. It makes resolving faster, and never the result another."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from hotpeers_shim.contract import Peer, encode_peer

from ...model.snapshot import Candidate, CardKey
from ..cards.reader import CardState
from .eligibility import Refused, Rules, judge, wants_card

UNKNOWN = CardState()
"""The state of a card that was never tried."""
_FEW = 64
_order = attrgetter("order")


@dataclass(frozen=True, slots=True)
class Resolution:
    """The peers in their order, what was refused, and the cards that are worth reading."""

    peers: tuple[Peer, ...] = ()
    refused: tuple[Refused, ...] = ()
    cards: frozenset[CardKey] = field(default_factory=frozenset)


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


def make_row(  # noqa: PLR0913, PLR0917 - what a decision depends on
    candidate: Candidate,
    state: CardState,
    rules: Rules,
    labels: Mapping[str, str] | None,
    before: Peer | None,
    last: Row | None,
) -> Row:
    """Judge a candidate; `last` is the row that it had."""
    outcome = judge(candidate, state, rules, labels, before)
    # The same object where nothing is new: what is made of it is found again by it.
    for same in (before, last.outcome if last else None):
        if outcome == same and same is not None:
            outcome = same
    key = candidate.card_key if wants_card(candidate, outcome) else None
    bound = upper_bound(outcome) if isinstance(outcome, Peer) else 0
    return Row(candidate, state, before, labels, outcome, key, bound)


def true_size(row: Row) -> int:
    """Bytes of the peer of a row in the file, with the comma after it."""
    if row.size < 0 and isinstance(row.outcome, Peer):
        row.size = peer_size(row.outcome)
    return row.size


def peer_size(peer: Peer) -> int:
    """Bytes of a peer in the file, with the comma after it."""
    return len(encode_peer(peer)) + 1


def upper_bound(peer: Peer) -> int:
    """A number of bytes that the peer stays below, at a tenth of the price of encoding it."""
    length = len(peer.description) + len(peer.url) + len(peer.cardPath) + len(peer.source)
    for skill in peer.skills:
        length += len(skill.id) + len(skill.name) + len(skill.description) + 60
        length += sum(len(tag) + 3 for tag in skill.tags)
    for one in peer.interfaces:
        length += len(one.url) + len(one.tenant) + len(one.protocolVersion) + 100
    # The worst character is one that JSON writes as \uXXXX; names and fixed text are below 2 kB.
    return 6 * length + 2048


@dataclass(slots=True)
class Settled:
    """A whole result that few changes can be patched into: nothing is held, nothing was too much.

    `cards` is what was known of cards. `rows` are in the order of their candidates' creation,
    `index` finds them by source, and `places` are those of their peers in the resolution, -1 where
    there is none. `room` is what is left of the size of a file. `fresh` are the rows of which the
    file said another thing when they were judged.
    """

    candidates: tuple[Candidate, ...]
    cards: Mapping[CardKey, CardState]
    rows: list[Row]
    index: dict[str, int]
    places: list[int]
    resolution: Resolution
    room: int
    fresh: set[int]


@dataclass(slots=True)
class Memo:
    """The rows by the source of their candidates, and the candidates in their order.

    `tight` is whether the peers are so many that their true sizes must be counted.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    settled: Settled | None = None
    tight: bool = False
    ordered: list[Candidate] = field(default_factory=list)

    def by_creation(self, candidates: Sequence[Candidate]) -> list[Candidate] | None:
        """The candidates by the time they were created; None where that of one is not known."""
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
