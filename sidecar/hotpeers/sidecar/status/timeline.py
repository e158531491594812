"""The last changes of the peers in this pod, and how long each took until it was live."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import Peer

from ...model.orchestrator_status import MAX_CHANGES, MAX_NAMES, Change, format_time
from ..resolve.changes import PeerChanges
from .peers import title_of


class Timeline:
    """The last `MAX_CHANGES` changes, the oldest first. `replica` is the name of this pod."""

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._changes: deque[Change] = deque(maxlen=MAX_CHANGES)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes, the oldest first."""
        return tuple(self._changes)

    def note(self, changes: PeerChanges, generation: int) -> None:
        """The peer file of this generation was written."""
        lists = (changes.added, changes.removed, changes.changed)
        if not any(lists):
            return
        added, removed, changed = map(_names, lists)
        named = len(added) + len(removed) + len(changed)
        more = sum(map(len, lists)) - named
        now = datetime.now(UTC)
        self._changes.append(Change(now, self._replica, generation, added, removed, changed, more))

    def live(self, generation: int, seconds: float) -> None:
        """Every agent process has this generation, `seconds` after the change in the source."""
        for index, one in enumerate(self._changes):
            if one.generation == generation and one.live_seconds is None:
                self._changes[index] = replace(one, live_seconds=round(seconds, 3))


def document_of(change: Change) -> dict[str, Any]:
    """A change as JSON, for the status of an Orchestrator and of a sidecar."""
    document: dict[str, Any] = {
        "time": format_time(change.time) if change.time is not None else "",
        "replica": change.replica,
        "generation": change.generation,
        "added": list(change.added),
        "removed": list(change.removed),
        "changed": list(change.changed),
        "more": change.more,
    }
    if change.live_seconds is not None:
        document["liveSeconds"] = change.live_seconds
    return document


def _names(peers: Sequence[Peer]) -> tuple[str, ...]:
    return tuple(title_of(peer)[:320] for peer in peers[:MAX_NAMES])
