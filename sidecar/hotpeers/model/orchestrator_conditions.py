"""The conditions of an Orchestrator, as each of the writers of its status computes them. Pure.

A writer sets its own conditions, and leaves those of the others as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hotpeers_shim.contract import clean_text

from ..base.parts import Json, text
from .orchestrator_status import STALE_SECONDS, Live, age_of, format_time

_MOST = 16
"""As many as the CRD allows."""


def live_condition(replicas: Mapping[str, Any], now: datetime) -> tuple[Live, str, str]:
    """The status, reason and message of the condition `Live`, from the reports of the replicas.

    It is False if any of them says so, else Unknown if any of them says so.
    """
    known = [
        (name, one)
        for name, one in sorted(replicas.items())
        if isinstance(one, dict) and age_of(text(one, "time"), now) <= STALE_SECONDS
    ]
    for state in (Live.FALSE, Live.UNKNOWN):
        found = [(name, one) for name, one in known if Live.read(text(one, "live")) is state]
        if found:
            name, one = found[0]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            return (
                state,
                text(one, "reason") or "NoReport",
                f"{name}: {text(one, 'message')}{more}",
            )
    if not known:
        return Live.UNKNOWN, "NoReport", "no pod has reported"
    return Live.TRUE, "AllLive", f"live in all pods that report: {len(known)}"


def conditions_with(
    found: object, kind: str, outcome: tuple[str, str, str], generation: int, now: datetime
) -> list[Json]:
    """The conditions `found`, with the one of type `kind` set. The others stay as they are."""
    state, reason, message = outcome
    entries = found if isinstance(found, list) else []
    others = [one for one in entries if isinstance(one, dict)]
    before = next((one for one in others if one.get("type") == kind), {})
    since = format_time(now)
    if before.get("status") == state:
        since = text(before, "lastTransitionTime") or since
    condition = {
        "type": kind,
        "status": str(state),
        "reason": reason,
        "message": clean_text(message, 1024),
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
    kept = [one for one in others if one.get("type") != kind][: _MOST - 1]
    return sorted([*kept, condition], key=lambda one: str(one.get("type")))
