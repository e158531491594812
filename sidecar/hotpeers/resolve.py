"""Decides which candidates are offered, in which order, and why the others are not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hotpeers_shim.contract import (
    MAX_FILE_BYTES,
    MAX_PEER_BYTES,
    MAX_PEERS,
    Nack,
    Peer,
    encode_peer,
)

from .card import CardState
from .memo import Memo, Row
from .model.snapshot import Candidate, CardKey, Snapshot
from .offer import Refused, Rules, judge, wants_card
from .reasons import Reason

_HEAD_BYTES = 4096
_UNKNOWN = CardState()


@dataclass(frozen=True, slots=True)
class Resolution:
    """The peers in their order, what was refused, and the cards that are worth reading."""

    peers: tuple[Peer, ...] = ()
    refused: tuple[Refused, ...] = ()
    cards: frozenset[CardKey] = field(default_factory=frozenset)


def resolve(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
    memo: Memo | None = None,
) -> Resolution:
    """Resolve a snapshot.

    `previous` are the peers of the peer file as it is: they keep their order, and what cannot be
    looked at now stays as it is there. A `memo` that is given again and again, with the same rules,
    saves judging what did not change.
    """
    memo = Memo() if memo is None else memo
    rows = _judged(snapshot, cards, rules, previous, memo)
    if not memo.tight:
        resolution = _limited_all(rows, lambda row: row.bound)
        memo.tight = any(item.reason is Nack.FILE_TOO_LARGE for item in resolution.refused)
        if not memo.tight:
            return resolution
    memo.tight = sum(row.bound for row in rows) > MAX_FILE_BYTES - _HEAD_BYTES
    return _limited_all(rows, _exact)


def _judged(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
    memo: Memo,
) -> list[Row]:
    """Each candidate with what was decided of it, in their order, and the peers that are held."""
    known = {peer.fingerprint: peer for peer in previous}
    labels = snapshot.home_labels
    before_of, state_of, last = known.get, cards.get, memo.rows
    rows: list[Row] = []
    kept: dict[str, Row] = {}
    for item in _ordered(snapshot, rules, previous, memo):
        if isinstance(item, Peer):
            rows.append(Row(None, None, None, None, item, None, _upper_bound(item)))
            continue
        before = before_of(item.fingerprint)
        state = state_of(item.card_key, _UNKNOWN)
        row = last.get(item.source)
        if (
            row is None
            or row.candidate is not item
            or row.state is not state
            or row.before is not before
            or row.labels is not labels
        ):
            row = _row(item, state, rules, labels, before, row)
        kept[item.source] = row
        rows.append(row)
    memo.rows = kept
    return rows


def _row(  # noqa: PLR0913, PLR0917 - what a decision depends on
    candidate: Candidate,
    state: CardState,
    rules: Rules,
    labels: Mapping[str, str] | None,
    before: Peer | None,
    last: Row | None,
) -> Row:
    outcome = judge(candidate, state, rules, labels, before)
    # The same object where nothing is new: what is made of it is found again by it.
    for same in (before, last.outcome if last else None):
        if outcome == same and same is not None:
            outcome = same
    key = candidate.card_key if wants_card(candidate, outcome) else None
    bound = _upper_bound(outcome) if isinstance(outcome, Peer) else 0
    return Row(candidate, state, before, labels, outcome, key, bound)


def held_peers(snapshot: Snapshot, rules: Rules, previous: Sequence[Peer]) -> list[Peer]:
    """The peers that stay because what they came from could not be read."""
    if snapshot.complete and not snapshot.unread and not snapshot.unclear:
        return []
    return [
        peer
        for peer in previous
        if (
            not snapshot.complete
            or peer.source in snapshot.unclear
            or peer.source.startswith(snapshot.unread)
        )
        and f"{peer.namespace}/{peer.name}" != rules.orchestrator
        and not (rules.namespaces and peer.namespace not in rules.namespaces)
    ]


def _ordered(
    snapshot: Snapshot, rules: Rules, previous: Sequence[Peer], memo: Memo
) -> Iterable[Candidate | Peer]:
    """By creation time where it is known; then as first seen, so that a new peer comes last."""
    held = held_peers(snapshot, rules, previous)
    if not held:
        found = memo.by_creation(snapshot.candidates)
        if found is not None:
            return found
    place = {(peer.namespace, peer.name): index for index, peer in enumerate(previous)}
    last = len(previous)
    entries: list[tuple[tuple[object, ...], Candidate | Peer]] = []
    for candidate in snapshot.candidates:
        name = (candidate.namespace, candidate.name)
        if candidate.created is None:
            moment: tuple[int, float] = (1, place.get(name, last))
        else:
            moment = (0, candidate.created)
        entries.append(((*moment, *name, candidate.source), candidate))
    present = {(candidate.namespace, candidate.name) for candidate in snapshot.candidates}
    for peer in held:
        name = (peer.namespace, peer.name)
        if name not in present:
            entries.append(((1, place[name], *name, peer.source), peer))
    entries.sort(key=lambda entry: entry[0])
    return (entry[1] for entry in entries)


def _limited_all(rows: list[Row], size_of: Callable[[Row], int]) -> Resolution:
    """Apply what goes for all of them together: names, number and size."""
    peers: list[Peer] = []
    refused: list[Refused] = []
    taken: dict[str, str] = {}
    budget = MAX_FILE_BYTES - _HEAD_BYTES
    for row in rows:
        outcome = row.outcome
        if isinstance(outcome, Refused):
            refused.append(outcome)
            continue
        size = size_of(row)
        if size > MAX_PEER_BYTES:
            size = _size(outcome)
        tool = outcome.toolName
        if tool in taken or size > MAX_PEER_BYTES or size > budget or len(peers) >= MAX_PEERS:
            refused.append(_beyond(outcome, taken, len(peers), size))
            continue
        taken[tool] = outcome.source
        budget -= size
        peers.append(outcome)
    wanted = frozenset([row.key for row in rows if row.key is not None])
    return Resolution(tuple(peers), tuple(refused), wanted)


def _beyond(peer: Peer, taken: Mapping[str, str], count: int, size: int) -> Refused:
    title = f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name
    first = taken.get(peer.toolName)
    if first is not None:
        message = f"the tool name {peer.toolName!r} is taken by {first}"
        return Refused(title, peer.source, Reason.NAME_COLLISION, message)
    if count >= MAX_PEERS:
        return Refused(title, peer.source, Nack.TOO_MANY_PEERS, f"the limit is {MAX_PEERS}")
    if size > MAX_PEER_BYTES:
        message = f"{size} bytes; the limit is {MAX_PEER_BYTES}"
        return Refused(title, peer.source, Nack.PEER_TOO_LARGE, message)
    message = f"the peer file would be larger than {MAX_FILE_BYTES} bytes"
    return Refused(title, peer.source, Nack.FILE_TOO_LARGE, message)


def _exact(row: Row) -> int:
    if row.size < 0 and isinstance(row.outcome, Peer):
        row.size = _size(row.outcome)
    return row.size


def _size(peer: Peer) -> int:
    """Bytes of a peer in the file, with the comma after it."""
    return len(encode_peer(peer)) + 1


def _upper_bound(peer: Peer) -> int:
    """A number of bytes that the peer stays below, at a tenth of the price of encoding it."""
    length = len(peer.description) + len(peer.url) + len(peer.cardPath) + len(peer.source)
    for skill in peer.skills:
        length += len(skill.id) + len(skill.name) + len(skill.description) + 60
        length += sum(len(tag) + 3 for tag in skill.tags)
    # The worst character is one that JSON writes as \uXXXX; names and fixed text are below 2 kB.
    return 6 * length + 2048
