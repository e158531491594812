"""Decides on one update of a Deployment: is its new configuration held back, or does it roll?

The state after an update follows from the Deployment before it and from the two hashes, never from
labels or annotations of ours in the request: nobody holds or releases by writing them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..base.parts import Json, part, pointer, text
from .difference import changes_beside, rolls_anyway
from .names import CONFIG_HASH, HELD_ANNOTATIONS, HELD_HASH, HELD_LABEL, HELD_SINCE, HELD_TEMPLATE
from .state import (
    Hold,
    can_wait,
    follows,
    is_marked,
    owner_of,
    read_hold,
    template_hash,
    written_time,
)


class Result(StrEnum):
    """What became of one update."""

    HELD = "held"
    """A new hash is held back."""
    KEPT = "kept"
    """The same hash is still held back: nothing changes."""
    REVERTED = "reverted"
    """The template's own hash is wanted again; the hold ends once pods have that configuration."""
    ROLLED = "rolled"
    """It rolls, with the newest hash."""
    UNCHANGED = "unchanged"
    """No business of the hold."""
    FAILED = "failed"
    """The request was not understood, or a fault of ours; it passes as it is."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The result, and the JSON patch that brings it about."""

    result: Result
    operations: tuple[Json, ...] = ()


def decide(old: Json, new: Json, now: datetime) -> Decision:
    """Decide on the update of a Deployment from `old` to `new`."""
    before = read_hold(old)
    running, asked = template_hash(old), template_hash(new)
    if before is not None and before.template != running:
        # It was rolled while nobody was asked.
        before = None
    if owner_of(old) is None or owner_of(new) is None:
        return Decision(Result.UNCHANGED)
    if not running or not asked:
        return _roll(old, new, asked)
    if not (follows(old) and follows(new)) or rolls_anyway(old, new) or not can_wait(new):
        # Whoever changed something else may not know of the hash that is held.
        newest = before.wanted if before is not None and asked == running else asked
        return _roll(old, new, newest)
    if asked == running and before is None:
        return Decision(Result.UNCHANGED, tuple(_unmark(new)))
    if asked == running and before is not None and changes_beside(old, new):
        # Not a word of what is wanted. kagent, if it was kagent, writes the same again.
        asked = before.wanted
    since = text(old, "metadata", "annotations", HELD_SINCE)
    same = before is not None and before.wanted == asked
    hold = Hold(asked, running)
    operations = _mark(new, hold, since if same else written_time(now))
    if asked == running:
        return Decision(Result.KEPT if same else Result.REVERTED, tuple(operations))
    if template_hash(new) != running:
        operations += _set_hash(new, running)
    return Decision(Result.KEPT if same else Result.HELD, tuple(operations))


def _roll(old: Json, new: Json, newest: str) -> Decision:
    operations = _unmark(new)
    if newest and newest != template_hash(new):
        operations += _set_hash(new, newest)
    rolls = follows(old) and (rolls_anyway(old, new) or newest != template_hash(old))
    return Decision(Result.ROLLED if rolls else Result.UNCHANGED, tuple(operations))


def _set_hash(new: Json, value: str) -> list[Json]:
    keys = ("spec", "template", "metadata", "annotations", CONFIG_HASH)
    return [{"op": "replace", "path": pointer(*keys), "value": value}]


def _mark(new: Json, hold: Hold, since: str) -> list[Json]:
    wanted = {HELD_HASH: hold.wanted, HELD_SINCE: since, HELD_TEMPLATE: hold.template}
    return [
        *_put(new, "labels", {HELD_LABEL: "true"}),
        *_put(new, "annotations", wanted),
    ]


def _put(new: Json, field: str, values: dict[str, str]) -> list[Json]:
    there = part(new, "metadata", field)
    missing = {key: value for key, value in values.items() if there.get(key) != value}
    if missing and not there:
        return [{"op": "add", "path": pointer("metadata", field), "value": values}]
    return [
        {"op": "add", "path": pointer("metadata", field, key), "value": value}
        for key, value in missing.items()
    ]


def _unmark(deployment: Json) -> list[Json]:
    """Take away the label and the annotations of a hold."""
    if not is_marked(deployment):
        return []
    metadata = part(deployment, "metadata")
    names = [("labels", HELD_LABEL), *(("annotations", name) for name in HELD_ANNOTATIONS)]
    return [
        {"op": "remove", "path": pointer("metadata", field, name)}
        for field, name in names
        if name in part(metadata, field)
    ]
