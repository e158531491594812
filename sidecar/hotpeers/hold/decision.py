"""Decides whether an update of a Deployment is held back or rolled out.

The decision depends on the Deployment before the update and on the two hashes. It never depends on
hotpeers labels or annotations in the request, so a user cannot hold or release by writing them.
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
    """The result of one update."""

    HELD = "held"
    """A new hash is held back."""
    KEPT = "kept"
    """The same hash is still held back."""
    REVERTED = "reverted"
    """kagent wants the template's own hash again. The hold ends when the pods have this configuration."""
    ROLLED = "rolled"
    """The Deployment rolls out with the newest hash."""
    UNCHANGED = "unchanged"
    """The update does not concern the hold."""
    FAILED = "failed"
    """The request could not be parsed, or hotpeers has an error. The update is admitted unchanged."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The result, and the JSON patch that implements it."""

    result: Result
    operations: tuple[Json, ...] = ()


def decide(old: Json, new: Json, now: datetime) -> Decision:
    """Decide on the update of a Deployment from `old` to `new`."""
    before = read_hold(old)
    running, asked = template_hash(old), template_hash(new)
    if before is not None and before.template != running:
        # The template was changed while the webhook was not called, so the hold is over.
        before = None
    if owner_of(old) is None or owner_of(new) is None:
        return Decision(Result.UNCHANGED)
    if not running or not asked:
        return _roll(old, new, asked)
    if not (follows(old) and follows(new)) or rolls_anyway(old, new) or not can_wait(new):
        # The author of another change may not know the held hash and repeat the template's own one.
        # Roll out with the held hash in that case.
        newest = before.wanted if before is not None and asked == running else asked
        return _roll(old, new, newest)
    if asked == running and before is None:
        return Decision(Result.UNCHANGED, tuple(_unmark(new)))
    if asked == running and before is not None and changes_beside(old, new):
        # This update changes other fields and repeats the template's hash; it does not revert the
        # wanted hash. If kagent did want to revert, it writes the same again without other changes.
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
    """Operations that remove the label and the annotations of a hold."""
    if not is_marked(deployment):
        return []
    metadata = part(deployment, "metadata")
    names = [("labels", HELD_LABEL), *(("annotations", name) for name in HELD_ANNOTATIONS)]
    return [
        {"op": "remove", "path": pointer("metadata", field, name)}
        for field, name in names
        if name in part(metadata, field)
    ]
