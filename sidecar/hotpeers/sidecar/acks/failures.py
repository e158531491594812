"""Failing calls of peers, as agent processes report them.

They are only displayed: a failing peer is still offered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import CallFailure, CallProblem

from .reader import Acks

logger = logging.getLogger(__name__)

OTHER = "Other"
"""Replaces an unknown reason in labels: an agent must not be able to create any label value."""
_WORDS = frozenset(word.value for word in CallProblem)
# JSON numbers are unbounded; no real process reaches this count.
_MOST = 2**53
_MAX_SHOWN = 1000


def failing_calls(acks: Acks) -> dict[str, CallFailure]:
    """The peers whose last calls failed, by tool name.

    The value is the newest failure, with the sum of the counts of all processes.
    """
    found: dict[str, CallFailure] = {}
    for failure in (one for ack in acks.acks for one in ack.failures):
        before = found.get(failure.subject)
        if before is None and len(found) >= _MAX_SHOWN:
            continue
        count = min(max(failure.count, 1), _MOST)
        newest = failure if before is None or failure.time >= before.time else before
        found[failure.subject] = replace(newest, count=count + (before.count if before else 0))
    return found


def reason_label(reason: str) -> str:
    """The reason as a label value of a metric; an unknown reason becomes `OTHER`."""
    return reason if reason in _WORDS else OTHER


def new_failures(before: Acks, after: Acks) -> list[CallFailure]:
    """The failures of peers that were not failing before, or that failed for another reason.

    Logs these failures, and each peer whose calls do not fail any more.
    """
    old, new = failing_calls(before), failing_calls(after)
    fresh = [
        failure
        for subject, failure in new.items()
        if subject not in old or old[subject].reason != failure.reason
    ]
    _log(fresh, old.keys() - new.keys())
    return fresh


def in_words(failing: Mapping[str, Any] | None) -> str:
    """The text for a `failing` value of the status document: reason and count, or ""."""
    return f"{failing['reason']} x {failing['count']}" if failing else ""


def time_of(seconds: float) -> str:
    """Formats a time in seconds since the epoch as UTC; "" for 0 and for a time out of range."""
    try:
        return (
            datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else ""
        )
    except (OverflowError, OSError, ValueError):
        return ""


def _log(fresh: Iterable[CallFailure], solved: Iterable[str]) -> None:
    for failure in fresh:
        logger.warning(
            "calls of peer %s fail: %s: %s",
            failure.subject,
            failure.reason,
            failure.message,
            extra={"tool": failure.subject, "reason": failure.reason},
        )
    for subject in sorted(solved):
        logger.info("calls of peer %s fail no more", subject, extra={"tool": subject})
