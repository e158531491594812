"""A resolution, and its rows: one decision each, with the inputs that it depends on and its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotpeers_shim.contract import MAX_FILE_BYTES, MAX_PEER_BYTES, Peer, encode_peer

from ...model.snapshot import Candidate, CardKey
from ..cards.reader import CardState
from .eligibility import Refused, Rules, decide, wants_card

# The rest of the file needs less than 4096 bytes.
PEERS_BYTES = MAX_FILE_BYTES - 4096
UNKNOWN = CardState()
"""The state of a card that was never fetched."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The peers in the order of the file, the refusals, and the agent cards to read."""

    peers: tuple[Peer, ...] = ()
    refused: tuple[Refused, ...] = ()
    cards: frozenset[CardKey] = field(default_factory=frozenset)


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


def make_row(  # noqa: PLR0913, PLR0917 - the inputs of a decision
    candidate: Candidate,
    state: CardState,
    rules: Rules,
    labels: Mapping[str, str] | None,
    before: Peer | None,
    last: Row | None,
) -> Row:
    """Decide about a candidate; `last` is its row so far."""
    outcome = decide(candidate, state, rules, labels, before)
    # Reuse the existing object for an equal decision, so that it stays identical.
    old = last.outcome if last else None
    outcome = next((one for one in (before, old) if one == outcome and one), outcome)
    key = candidate.card_key if wants_card(candidate, outcome) else None
    bound = upper_bound(outcome) if isinstance(outcome, Peer) else 0
    return Row(candidate, state, before, labels, outcome, key, bound)


def counted_size(row: Row, *, exact: bool) -> int:
    """The bytes that a row's peer counts for; an upper bound, unless `exact` or more than is allowed."""
    return true_size(row) if exact or row.bound > MAX_PEER_BYTES else row.bound


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
