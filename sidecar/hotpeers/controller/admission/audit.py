"""The audit log of the guard: one JSON object per line, in every log format.

A line has the subject, the request, the decision and the rule behind it. It has no content of the
requested object, such as prompts or values of variables.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import clean_text

from ...spawnpolicy.decision import MAX_DENIALS, Decision
from ...spawnpolicy.review import Review
from .decider import Verdict

logger = logging.getLogger("hotpeers.audit")

_MAX_NAME = 253


def what_of(review: Review) -> str:
    """The resource of a request, as `agents.kagent.dev/v1alpha2`, with its subresource if any."""
    group = f".{review.group}" if review.group else ""
    below = f"/{review.subresource}" if review.subresource else ""
    return clean_text(f"{review.resource}{group}/{review.version}{below}", _MAX_NAME)


def who_of(verdict: Verdict | None, review: Review) -> str:
    """The subject: `namespace/agent`, `namespace/serviceaccount`, or the name of the user."""
    subject = verdict.subject if verdict else None
    if subject is None:
        return clean_text(review.username, _MAX_NAME)
    return f"{subject.namespace}/{subject.agent or subject.service_account}"


def audit(review: Review, verdict: Verdict | None, failure: str = "") -> None:
    """Write one line about a request. `failure` is the reason word if it could not be decided."""
    logger.info(json.dumps(_line(review, verdict, failure)))


def _line(review: Review, verdict: Verdict | None, failure: str) -> dict[str, Any]:
    decision = verdict.decision if verdict else Decision(allowed=False)
    subject = verdict.subject if verdict else None
    denials = [
        {"reason": one.reason.value, "field": one.path} for one in decision.denials[:MAX_DENIALS]
    ]
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "logger": logger.name,
        "request": clean_text(review.uid, 64),
        "user": clean_text(review.username, _MAX_NAME),
        "agent": f"{subject.namespace}/{subject.agent}" if subject and subject.agent else "",
        "operation": review.operation,
        "resource": what_of(review),
        "namespace": clean_text(review.namespace, _MAX_NAME),
        "name": clean_text(review.name, _MAX_NAME),
        "dryRun": review.dry_run,
        "phase": review.phase.value,
        "policy": decision.policy,
        "mode": verdict.mode if verdict else "",
        "allowed": decision.allowed,
        "denials": denials or ([{"reason": failure, "field": ""}] if failure else []),
    }
