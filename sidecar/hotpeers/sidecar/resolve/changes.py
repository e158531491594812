"""Differences between two resolutions, for logs, metrics and Events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, count
from operator import is_not

from hotpeers_shim.contract import Peer

from .eligibility import Refused


@dataclass(frozen=True, slots=True)
class PeerChanges:
    """The peers that were added, changed and removed."""

    added: tuple[Peer, ...]
    changed: tuple[Peer, ...]
    removed: tuple[Peer, ...]


def changed_span(before: Sequence[object], after: Sequence[object]) -> tuple[int, int, int]:
    """The span in which two lists differ: its start in both, its end in `before` and in `after`.

    Entries are compared by identity, because an unchanged entry is the same object. That costs a few
    nanoseconds for each entry. Lists have thousands of entries, and usually one of them changes.
    """
    shorter = min(len(before), len(after))
    start = next(compress(count(), map(is_not, before, after)), shorter)
    room = shorter - start
    same = next(compress(count(), map(is_not, reversed(before), reversed(after))), room)
    same = min(same, room)
    return start, len(before) - same, len(after) - same


def peer_changes(before: Sequence[Peer], after: Sequence[Peer]) -> PeerChanges:
    """Compare two lists of peers by their names."""
    start, end_before, end_after = changed_span(before, after)
    before, after = before[start:end_before], after[start:end_after]
    kept = set(map(id, before)) & set(map(id, after))
    old = {(peer.namespace, peer.name): peer for peer in before if id(peer) not in kept}
    added, changed = [], []
    for peer in after:
        if id(peer) in kept:
            continue
        last = old.pop((peer.namespace, peer.name), None)
        if last is None:
            added.append(peer)
        elif last != peer:
            changed.append(peer)
    return PeerChanges(tuple(added), tuple(changed), tuple(old.values()))


def new_refusals(before: Iterable[Refused], after: Iterable[Refused]) -> list[Refused]:
    """The refusals of candidates that were not refused before, or for another reason."""
    old = {(item.source, item.reason) for item in before}
    return [item for item in after if (item.source, item.reason) not in old]
