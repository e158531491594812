"""Patches a few changes into the last resolution, where it can be seen that no more is needed.

With thousands of candidates this is the difference between looking at one of them and at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from operator import is_not

from hotpeers_shim.contract import MAX_FILE_BYTES, MAX_PEER_BYTES, Peer

from ...model.snapshot import Candidate, CardKey, Snapshot
from ..cards.reader import CardState
from .eligibility import Rules
from .memo import UNKNOWN, Memo, Resolution, Row, Settled, make_row, true_size

FILE_BYTES = MAX_FILE_BYTES - 4096
"""What the peers of a file may have together, in bytes."""
_MANY = 64


def size_of(memo: Memo) -> Callable[[Row], int]:
    """How the size of a peer is counted: as it is, or, where there is room enough, a bound of it."""
    return true_size if memo.tight else lambda row: row.bound


def settle(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rows: list[Row],
    resolution: Resolution,
    memo: Memo,
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
        cards=cards,
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
    judged = _judged_again(changed, snapshot, cards, rules, memo, last)
    if judged is None:
        return None
    fresh, room = judged
    last.candidates, last.cards, last.room = snapshot.candidates, cards, room
    return _apply(fresh, memo, last)


def _judged_again(  # noqa: PLR0913, PLR0917 - what decisions depend on
    changed: Mapping[int, Candidate],
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    memo: Memo,
    last: Settled,
) -> tuple[dict[int, Row], int] | None:
    """The new rows, and the room that they leave; None where one cannot just replace the old one."""
    labels = snapshot.home_labels
    if last.rows and last.rows[0].labels is not labels:
        return None
    room, size = last.room, size_of(memo)
    fresh: dict[int, Row] = {}
    for number, candidate in changed.items():
        old, place = last.rows[number], last.places[number]
        before = last.resolution.peers[place] if place >= 0 else None
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
    return None if room < 0 else (fresh, room)


def _changed(
    snapshot: Snapshot, cards: Mapping[CardKey, CardState], last: Settled
) -> dict[int, Candidate] | None:
    """The rows to judge again and their candidates; None where they are many, or not the same."""
    if len(snapshot.candidates) != len(last.candidates) or not snapshot.complete:
        return None
    moved = map(is_not, last.candidates, snapshot.candidates)
    others = list(compress(snapshot.candidates, moved))
    if len(others) > _MANY or len(last.fresh) > _MANY:
        return None
    rows = last.rows
    touched: list[int] = []
    if cards is not last.cards:
        state_of = cards.get
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


def _apply(fresh: Mapping[int, Row], memo: Memo, last: Settled) -> Resolution:
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
    if moved:
        last.resolution = replace(last.resolution, peers=tuple(peers))
    return last.resolution
