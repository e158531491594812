"""Decides which candidates are offered, in which order, and why others are refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hotpeers_shim.contract import MAX_FILE_BYTES, MAX_PEER_BYTES, MAX_PEERS, Nack, Peer

from ...model.snapshot import Candidate, CardKey, Snapshot
from ..cards.reader import CardState
from ..reasons import SidecarReason
from .cache import Cache
from .eligibility import Refused, Rules
from .rows import PEERS_BYTES, UNKNOWN, Resolution, Row, counted_size, upper_bound
from .update import base_of, update


def resolve(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
    cache: Cache | None = None,
) -> Resolution:
    """Resolve a snapshot.

    `previous` are the peers in the current peer file. They keep their order, and a peer whose source
    cannot be read now stays unchanged. A `cache` is valid for one set of rules only; it avoids new
    decisions about unchanged candidates. With a cache, `cards` must be a new mapping after a change.
    """
    cache = Cache() if cache is None else cache
    kept = kept_peers(snapshot, rules, previous)
    if cache.base is not None and not kept:
        base = update(cache.base, snapshot, cards, rules, previous)
        if base is not None:
            cache.base = base
            return base.resolution
    cache.catch_up()
    before = {peer.fingerprint: peer for peer in previous}
    rows: list[Row] = []
    for item in _ordered(snapshot, previous, kept, cache):
        if isinstance(item, Peer):
            rows.append(Row(None, None, None, None, item, None, upper_bound(item)))
            continue
        state = cards.get(item.card_key, UNKNOWN)
        known = before.get(item.fingerprint)
        rows.append(cache.row_of(item, state, rules, snapshot.home_labels, known))
    cache.rows = {row.candidate.source: row for row in rows if row.candidate is not None}
    # Encoding every peer to count its bytes is needed only if the upper bounds do not fit.
    exact = sum([row.bound for row in rows]) > PEERS_BYTES
    peers, refused = _limited(rows, exact=exact)
    if peers == previous and isinstance(previous, tuple):
        peers = previous
    wanted = frozenset([row.key for row in rows if row.key is not None])
    resolution = Resolution(peers, refused, wanted)
    cache.base = None if kept else base_of(snapshot, cards, rows, resolution, exact=exact)
    return resolution


def kept_peers(snapshot: Snapshot, rules: Rules, previous: Sequence[Peer]) -> list[Peer]:
    """The peers that are kept because their source could not be read."""
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
    snapshot: Snapshot, previous: Sequence[Peer], kept: Sequence[Peer], cache: Cache
) -> Iterable[Candidate | Peer]:
    """Candidates with a known creation time, then those in the peer file, then new ones.

    The order decides which of two peers gets a tool name (see `_limited`).
    """
    if not kept:
        found = cache.by_creation(snapshot.candidates)
        if found is not None:
            return found
    place = {_owner(peer): index for index, peer in enumerate(previous)}
    last = len(previous)
    entries: list[tuple[tuple[object, ...], Candidate | Peer]] = []
    for candidate in snapshot.candidates:
        name = (candidate.namespace, candidate.name)
        if candidate.created is None:
            moment: tuple[int, float] = (1, place.get(_owner(candidate), last))
        else:
            moment = (0, candidate.created)
        entries.append(((*moment, *name, candidate.source), candidate))
    present = set(map(_owner, snapshot.candidates))
    for peer in kept:
        if _owner(peer) not in present:
            name = (peer.namespace, peer.name)
            entries.append(((1, place[_owner(peer)], *name, peer.source), peer))
    entries.sort(key=lambda entry: entry[0])
    return (entry[1] for entry in entries)


def _owner(one: Candidate | Peer) -> tuple[str, str, str]:
    """The owner of a place in the order: namespace, name, and the file ("" in a cluster).

    A peer with the same name in another file is another owner, and comes later.
    """
    return one.namespace, one.name, one.source.rpartition("#")[0]


def _limited(rows: list[Row], *, exact: bool) -> tuple[tuple[Peer, ...], tuple[Refused, ...]]:
    """Apply the limits on all rows together: unique tool names, number and size."""
    peers: list[Peer] = []
    refused: list[Refused] = []
    taken: dict[str, str] = {}
    budget = PEERS_BYTES
    for row in rows:
        outcome = row.outcome
        if isinstance(outcome, Refused):
            refused.append(outcome)
            continue
        size = counted_size(row, exact=exact)
        tool = outcome.toolName
        if tool in taken or size > MAX_PEER_BYTES or size > budget or len(peers) >= MAX_PEERS:
            refused.append(_beyond(outcome, taken, len(peers), size))
            continue
        taken[tool] = outcome.source
        budget -= size
        peers.append(outcome)
    return tuple(peers), tuple(refused)


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
