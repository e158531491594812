"""Updates the last resolution for a few changed candidates, instead of resolving all of them. Pure.

Most changes are one of a thousand candidates, or the card of one, and change no order, name or limit.
The result equals that of a full resolution; a property test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from operator import is_not

from hotpeers_shim.contract import MAX_PEER_BYTES, Peer

from ...model.snapshot import Candidate, CardKey, Snapshot
from ..cards.reader import CardState
from .eligibility import Rules
from .rows import PEERS_BYTES, UNKNOWN, Resolution, Row, counted_size, make_row

_MANY = 64
"""Above this number of changes, a full resolution is as fast."""


@dataclass(frozen=True, slots=True)
class Base:
    """A full resolution that can be updated: no peer was kept, and no limit refused one.

    `candidates` and `cards` are its inputs. `rows` are in the order of creation, and `index` has the
    number of each row by the `source` of its candidate. `places` are the positions of the rows' peers
    in `resolution`, -1 for a refusal. `room` is the number of bytes that are left in the peer file;
    `exact` tells how they are counted. `stale` are the rows that were decided before their own
    decision was in the peer file: the next resolution decides them again.
    """

    candidates: tuple[Candidate, ...]
    cards: Mapping[CardKey, CardState]
    labels: Mapping[str, str] | None
    rows: Sequence[Row]
    index: Mapping[str, int]
    places: Sequence[int]
    resolution: Resolution
    room: int
    exact: bool
    stale: frozenset[int]


def base_of(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rows: Sequence[Row],
    resolution: Resolution,
    *,
    exact: bool,
) -> Base | None:
    """What can be updated later; None if the resolution depends on more than its single rows."""
    index: dict[str, int] = {}
    fingerprints: set[str] = set()
    places: list[int] = []
    count = 0
    for number, row in enumerate(rows):
        one = row.candidate
        # Without a creation time, the order depends on the peer file. A card in a file has no state.
        if one is None or one.created is None or one.card_read:
            return None
        index[one.source] = number
        fingerprints.add(one.fingerprint)
        is_peer = isinstance(row.outcome, Peer)
        places.append(count if is_peer else -1)
        count += is_peer
    # Each peer of the file belongs to one row.
    unique = len(index) == len(fingerprints) == len(rows)
    if count != len(resolution.peers) or not unique or not snapshot.complete:
        return None
    taken = sum(counted_size(row, exact=exact) for row in rows if isinstance(row.outcome, Peer))
    return Base(
        candidates=snapshot.candidates,
        cards=cards,
        labels=snapshot.home_labels,
        rows=rows,
        index=index,
        places=places,
        resolution=resolution,
        room=PEERS_BYTES - taken,
        exact=exact,
        stale=frozenset(number for number, row in enumerate(rows) if _is_stale(row)),
    )


def update(
    base: Base,
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
) -> Base | None:
    """The base after the changes since; None if they need a full resolution."""
    if (
        previous is not base.resolution.peers
        or snapshot.home_labels is not base.labels
        or not snapshot.complete
    ):
        return None
    changed = _changed(base, snapshot, cards)
    if changed is None:
        return None
    rows, peers, stale = list(base.rows), list(base.resolution.peers), set(base.stale)
    room, is_new = base.room, False
    for number, candidate in changed.items():
        old, place = base.rows[number], base.places[number]
        before = base.resolution.peers[place] if place >= 0 else None
        state = cards.get(candidate.card_key, UNKNOWN)
        row = make_row(candidate, state, rules, base.labels, before, old)
        if not _is_replaceable(old, row):
            return None
        if isinstance(row.outcome, Peer):
            size = counted_size(row, exact=base.exact)
            room += counted_size(old, exact=base.exact) - size
            if size > MAX_PEER_BYTES:
                return None
            is_new = is_new or peers[place] is not row.outcome
            peers[place] = row.outcome
        rows[number] = row
        stale.discard(number)
        if _is_stale(row):
            stale.add(number)
    if room < 0:
        return None
    resolution = replace(base.resolution, peers=tuple(peers)) if is_new else base.resolution
    return replace(
        base,
        candidates=snapshot.candidates,
        cards=cards,
        rows=rows,
        resolution=resolution,
        room=room,
        stale=frozenset(stale),
    )


def _changed(
    base: Base, snapshot: Snapshot, cards: Mapping[CardKey, CardState]
) -> dict[int, Candidate] | None:
    """The rows to decide again, with their candidates; None if there are many, or others."""
    if len(snapshot.candidates) != len(base.candidates) or len(base.stale) > _MANY:
        return None
    # `map` with `is_not` compares identities without a Python loop: it runs over all candidates after
    # each change.
    others = list(compress(snapshot.candidates, map(is_not, base.candidates, snapshot.candidates)))
    touched = [] if cards is base.cards else _with_other_cards(base, cards)
    if len(others) > _MANY or len(touched) > _MANY:
        return None
    changed: dict[int, Candidate] = {}
    for number in (*touched, *base.stale):
        candidate = base.rows[number].candidate
        assert candidate is not None, "a base keeps no peer"  # noqa: S101
        changed[number] = candidate
    for candidate in others:
        found = base.index.get(candidate.source)
        if found is None:
            return None
        changed[found] = candidate
    return changed


def _with_other_cards(base: Base, cards: Mapping[CardKey, CardState]) -> list[int]:
    state_of = cards.get
    return [
        number
        for number, row in enumerate(base.rows)
        if row.key is not None and state_of(row.key, UNKNOWN) is not row.state
    ]


def _is_stale(row: Row) -> bool:
    """Whether the peer file has another decision now than the one that this row was decided with."""
    return row.before is not (row.outcome if isinstance(row.outcome, Peer) else None)


def _is_replaceable(old: Row, new: Row) -> bool:
    """Whether the new row changes nothing for the others: identity, order, card, name and refusal stay."""
    assert old.candidate is not None, "a base keeps no peer"  # noqa: S101
    assert new.candidate is not None, "a base keeps no peer"  # noqa: S101
    if new.candidate.created is None or new.candidate.card_read or old.key != new.key:
        return False
    if old.candidate.fingerprint != new.candidate.fingerprint:
        return False
    if old.candidate.order != new.candidate.order:
        return False
    if isinstance(old.outcome, Peer) and isinstance(new.outcome, Peer):
        return old.outcome.toolName == new.outcome.toolName
    return old.outcome == new.outcome
