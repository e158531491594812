"""Decides which candidates are offered, in which order, and why the others are not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from hotpeers_shim.contract import MAX_FILE_BYTES, MAX_PEER_BYTES, MAX_PEERS, Nack, Peer

from ...model.snapshot import Candidate, CardKey, Snapshot
from ..cards.reader import CardState
from ..reasons import SidecarReason
from .eligibility import Refused, Rules
from .memo import UNKNOWN, Memo, Resolution, Row, make_row, true_size, upper_bound
from .patch import FILE_BYTES, patch, settle, size_of


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
    saves judging what did not change; `cards` that are the same object must say the same then.
    """
    memo = Memo() if memo is None else memo
    held = held_peers(snapshot, rules, previous)
    if not held:
        patched = patch(snapshot, cards, rules, previous, memo)
        if patched is not None:
            return patched
    rows = _judged(snapshot, cards, rules, previous, held, memo)
    bound = sum([row.bound for row in rows])
    memo.tight = bound > FILE_BYTES
    resolution = _limited(rows, size_of(memo))
    if isinstance(previous, tuple) and resolution.peers == previous:
        # The very same list: the next time it shows that nothing else has happened.
        resolution = replace(resolution, peers=previous)
    memo.settled = None if held else settle(snapshot, cards, rows, resolution, memo)
    return resolution


def _judged(  # noqa: PLR0913, PLR0917 - what decisions depend on
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
    held: Sequence[Peer],
    memo: Memo,
) -> list[Row]:
    """Each candidate with what was decided of it, in their order, and the peers that are held."""
    known = {peer.fingerprint: peer for peer in previous}
    labels = snapshot.home_labels
    before_of, state_of, last = known.get, cards.get, memo.rows
    rows: list[Row] = []
    kept: dict[str, Row] = {}
    for item in _ordered(snapshot, previous, held, memo):
        if isinstance(item, Peer):
            rows.append(Row(None, None, None, None, item, None, upper_bound(item)))
            continue
        before = before_of(item.fingerprint)
        state = state_of(item.card_key, UNKNOWN)
        row = last.get(item.source)
        if (
            row is None
            or row.candidate is not item
            or row.state is not state
            or row.before is not before
            or row.labels is not labels
        ):
            row = make_row(item, state, rules, labels, before, row)
        kept[item.source] = row
        rows.append(row)
    memo.rows = kept
    return rows


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
    snapshot: Snapshot, previous: Sequence[Peer], held: Sequence[Peer], memo: Memo
) -> Iterable[Candidate | Peer]:
    """By creation time where it is known; then as first seen, so that a new peer comes last.

    The first of a name keeps it, see `_limited`.
    """
    if not held:
        found = memo.by_creation(snapshot.candidates)
        if found is not None:
            return found
    place = {_holder(peer): index for index, peer in enumerate(previous)}
    last = len(previous)
    entries: list[tuple[tuple[object, ...], Candidate | Peer]] = []
    for candidate in snapshot.candidates:
        name = (candidate.namespace, candidate.name)
        if candidate.created is None:
            moment: tuple[int, float] = (1, place.get(_holder(candidate), last))
        else:
            moment = (0, candidate.created)
        entries.append(((*moment, *name, candidate.source), candidate))
    present = set(map(_holder, snapshot.candidates))
    for peer in held:
        if _holder(peer) not in present:
            name = (peer.namespace, peer.name)
            entries.append(((1, place[_holder(peer)], *name, peer.source), peer))
    entries.sort(key=lambda entry: entry[0])
    return (entry[1] for entry in entries)


def _holder(one: Candidate | Peer) -> tuple[str, str, str]:
    """Who one is, and the file that it is of ("" in a cluster).

    What comes from another file under the name of a peer is another one, and comes after it.
    """
    return one.namespace, one.name, one.source.rpartition("#")[0]


def _limited(rows: list[Row], size_of: Callable[[Row], int]) -> Resolution:
    """Apply what goes for all of them together: names, number and size."""
    peers: list[Peer] = []
    refused: list[Refused] = []
    taken: dict[str, str] = {}
    budget = FILE_BYTES
    for row in rows:
        outcome = row.outcome
        if isinstance(outcome, Refused):
            refused.append(outcome)
            continue
        size = size_of(row)
        if size > MAX_PEER_BYTES:
            size = true_size(row)
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
        message = f"the tool name {peer.toolName!r} is taken by {first}; give one another name"
        return Refused(title, peer.source, SidecarReason.NAME_COLLISION, message)
    if count >= MAX_PEERS:
        return Refused(title, peer.source, Nack.TOO_MANY_PEERS, f"the limit is {MAX_PEERS}")
    if size > MAX_PEER_BYTES:
        message = f"{size} bytes; the limit is {MAX_PEER_BYTES}"
        return Refused(title, peer.source, Nack.PEER_TOO_LARGE, message)
    message = f"the peer file would be larger than {MAX_FILE_BYTES} bytes"
    return Refused(title, peer.source, Nack.FILE_TOO_LARGE, message)
