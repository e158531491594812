"""Patches a few changes into the last resolution, where it can be seen that no more is needed.

With thousands of candidates this is the difference between looking at one of them and at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from hotpeers_shim.contract import MAX_FILE_BYTES, MAX_PEER_BYTES, Peer

from .card import CardState
from .memo import UNKNOWN, Memo, Resolution, Row, Settled, make_row, true_size
from .model.snapshot import Candidate, CardKey, Snapshot
from .offer import Rules

FILE_BYTES = MAX_FILE_BYTES - 4096
"""What the peers of a file may have together, in bytes."""
_MANY = 64


def size_of(memo: Memo) -> Callable[[Row], int]:
    """How the size of a peer is counted: as it is, or, where there is room enough, a bound of it."""
    return true_size if memo.tight else lambda row: row.bound


def settle(
    snapshot: Snapshot, rows: list[Row], resolution: Resolution, memo: Memo
) -> Settled | None:
    """What changes can be patched into; None where something had to be left out."""
    places: list[int] = []
    count = 0
    for row in rows:
        if row.candidate is None or row.candidate.card_read:
            return None
        if isinstance(row.outcome, Peer):
            places.append(count)
            count += 1
        else:
            places.append(-1)
    in_order = len(memo.ordered) == len(rows)
    if count != len(resolution.peers) or not in_order or not snapshot.complete:
        return None
    size = size_of(memo)
    return Settled(
        candidates=snapshot.candidates,
        rows=rows,
        index={candidate.source: number for number, candidate in enumerate(memo.ordered)},
        places=places,
        resolution=resolution,
        room=FILE_BYTES - sum([size(row) for row in rows if isinstance(row.outcome, Peer)]),
        fresh={number for number, row in enumerate(rows) if _is_fresh(row)},
    )


def patch(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
    memo: Memo,
) -> Resolution | None:
    """The last resolution with what changed since; None where everything must be looked at."""
    last = memo.settled
    if last is None or previous is not last.resolution.peers:
        return None
    changed = _changed(snapshot, cards, last)
    if changed is None:
        return None
    labels = snapshot.home_labels
    if last.rows and last.rows[0].labels is not labels:
        return None
    room = last.room
    size = size_of(memo)
    fresh: dict[int, Row] = {}
    for number, candidate in changed.items():
        old, place = last.rows[number], last.places[number]
        before = previous[place] if place >= 0 else None
        if before is not None and before.fingerprint != candidate.fingerprint:
            before = None
        state = cards.get(candidate.card_key, UNKNOWN)
        row = make_row(candidate, state, rules, labels, before, old)
        if not _replaceable(old, row):
            return None
        if isinstance(row.outcome, Peer):
            if size(row) > MAX_PEER_BYTES:
                return None
            room -= size(row) - size(old)
        fresh[number] = row
    return None if room < 0 else _apply(snapshot, fresh, room, memo, last)


def _changed(
    snapshot: Snapshot, cards: Mapping[CardKey, CardState], last: Settled
) -> dict[int, Candidate] | None:
    """The rows to judge again and their candidates; None where they are many, or not the same."""
    if len(snapshot.candidates) != len(last.candidates) or not snapshot.complete:
        return None
    pairs = zip(last.candidates, snapshot.candidates, strict=True)
    others = [new for old, new in pairs if old is not new]
    if len(others) > _MANY or len(last.fresh) > _MANY:
        return None
    state_of = cards.get
    rows = last.rows
    touched = [
        number
        for number, row in enumerate(rows)
        if row.key is not None and state_of(row.key, UNKNOWN) is not row.state
    ]
    if len(touched) > _MANY:
        return None
    changed: dict[int, Candidate] = {}
    for number in (*touched, *last.fresh):
        candidate = rows[number].candidate
        assert candidate is not None, "nothing is held"  # noqa: S101
        changed[number] = candidate
    for candidate in others:
        found = last.index.get(candidate.source)
        if found is None:
            return None
        changed[found] = candidate
    return changed


def _is_fresh(row: Row) -> bool:
    """Whether the file will say another thing of it than it did when it was judged."""
    return row.before is not (row.outcome if isinstance(row.outcome, Peer) else None)


def _replaceable(old: Row, new: Row) -> bool:
    """Whether the one can stand where the other stood, and nothing else is the worse for it."""
    assert old.candidate is not None, "nothing is held"  # noqa: S101
    assert new.candidate is not None, "nothing is held"  # noqa: S101
    if (old.candidate.created, old.candidate.order) != (new.candidate.created, new.candidate.order):
        return False
    if isinstance(old.outcome, Peer) and isinstance(new.outcome, Peer):
        return old.key == new.key and old.outcome.toolName == new.outcome.toolName
    return old.key == new.key and old.outcome == new.outcome


def _apply(
    snapshot: Snapshot, fresh: Mapping[int, Row], room: int, memo: Memo, last: Settled
) -> Resolution:
    peers = list(last.resolution.peers)
    last.fresh = set()
    moved = False
    for number, row in fresh.items():
        candidate = row.candidate
        assert candidate is not None, "nothing is held"  # noqa: S101
        last.rows[number] = memo.rows[candidate.source] = row
        memo.ordered[number] = candidate
        if isinstance(row.outcome, Peer):
            place = last.places[number]
            moved = moved or peers[place] is not row.outcome
            peers[place] = row.outcome
        if _is_fresh(row):
            last.fresh.add(number)
    last.candidates = snapshot.candidates
    last.room = room
    if moved:
        last.resolution = replace(last.resolution, peers=tuple(peers))
    return last.resolution
