"""The reports of the replicas in the status of an Orchestrator, as each replica changes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..base.parts import Json, part, text
from .orchestrator_status import (
    MAX_REPLICAS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    age_of,
    format_time,
)


def replicas_change(
    found: Mapping[str, Any], replica: str, own: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The merge patch by which a replica sets its report `own`; empty if it is up to date.

    Reports of other replicas stay, unless one has not reported for `STALE_SECONDS`. If there are
    `MAX_REPLICAS` others, the report is left out.
    """
    change: dict[str, Any] = {
        name: None
        for name, entry in found.items()
        if name != replica and age_of(text(entry, "time"), now) > STALE_SECONDS
    }
    has_room = replica in found or len(found) - len(change) < MAX_REPLICAS
    before = part(found, replica)
    same = {key: value for key, value in before.items() if key != "time"} == own
    is_due = not same or age_of(text(before, "time"), now) > REFRESH_SECONDS
    if has_room and is_due:
        # A merge patch keeps old keys of a map, so keys that are gone are set to null.
        gone = dict.fromkeys(part(before, "failures").keys() - own["failures"].keys())
        lost = dict.fromkeys(before.keys() - own.keys())
        failures = {**own["failures"], **gone}
        change[replica] = {**lost, **own, "failures": failures, "time": format_time(now)}
    return change


def replicas_after(found: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    """The reports after a change."""
    return {name: one for name, one in {**found, **change}.items() if one is not None}
