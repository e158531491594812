"""Converts an AdmissionReview to a request, and a decision to an AdmissionReview.

A review that cannot be parsed is an error and is never admitted: the webhooks' failurePolicy is Fail.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hotpeers_shim.contract import clean_text

from .decision import MAX_DENIALS, Decision
from .reasons import PolicyReason
from .request import Phase, Request, Subject

MAX_BYTES = 8 * 1024 * 1024
"""Largest review: an UPDATE has two objects, and the API server limits each to 3 MiB."""
API_VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_LONGEST_WARNING = 250
_LONGEST = 1024
"""Longest text, in characters: four times the length that Kubernetes allows for a name."""
_PATCHED = ("metadata", "spec")


class ReviewError(ValueError):
    """The body is not a review of an API server. The message contains nothing of its content."""

    reason = PolicyReason.REVIEW_INVALID


@dataclass(frozen=True, slots=True)
class Review:
    """One request of an API server with its user. `uid` is the uid of the request."""

    uid: str
    username: str
    user_uid: str
    operation: str
    group: str
    version: str
    resource: str
    subresource: str
    namespace: str
    name: str
    object: Any
    old_object: Any
    propagation: str
    dry_run: bool
    phase: Phase

    def request_of(self, subject: Subject) -> Request:
        """The request in the form that the guard decides on."""
        return Request(
            subject=subject,
            operation=self.operation,
            group=self.group,
            version=self.version,
            resource=self.resource,
            subresource=self.subresource,
            namespace=self.namespace,
            name=self.name,
            object=self.object,
            old_object=self.old_object,
            propagation=self.propagation,
            dry_run=self.dry_run,
            phase=self.phase,
        )


def read_review(raw: bytes | str, phase: Phase) -> Review:
    """Parse the body of a webhook call. Raises `ReviewError` if it is not a valid review.

    The caller limits the number of values in the body and their nesting depth.
    """
    if len(raw) > MAX_BYTES:
        raise ReviewError(f"it is larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ReviewError("it is no JSON that can be read") from None
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != (
        API_VERSION,
        KIND,
    ):
        raise ReviewError(f"it is no {KIND} of {API_VERSION}")
    request, user = _object(document, "request"), _object(_object(document, "request"), "userInfo")
    resource = _object(request, "resource")
    uid, operation = _text(request, "uid"), _text(request, "operation")
    username = _text(user, "username")
    if not uid or not username:
        raise ReviewError("its uid or the name of its user is missing")
    if operation not in OPERATIONS:
        raise ReviewError("its operation is unknown")
    dry_run = request.get("dryRun", False)
    if dry_run is not None and not isinstance(dry_run, bool):
        raise ReviewError("dryRun is neither true nor false")
    return Review(
        uid=uid,
        username=username,
        user_uid=_text(user, "uid"),
        operation=operation,
        group=_cut(resource, "group"),
        version=_cut(resource, "version"),
        resource=_cut(resource, "resource"),
        subresource=_cut(request, "subResource"),
        namespace=_cut(request, "namespace"),
        name=_cut(request, "name"),
        object=_manifest(request, "object"),
        old_object=_manifest(request, "oldObject"),
        propagation=_propagation(_manifest(request, "options")),
        dry_run=bool(dry_run),
        phase=phase,
    )


def answer(review: Review, decision: Decision) -> dict[str, Any]:
    """The AdmissionReview with a decision."""
    response: dict[str, Any] = {"uid": review.uid, "allowed": decision.allowed}
    if not decision.allowed:
        response["status"] = {
            "code": 403,
            "reason": "Forbidden",
            "message": decision.message,
            "details": {
                "causes": [
                    {"reason": one.reason.value, "field": one.path, "message": one.wrong}
                    for one in decision.denials[:MAX_DENIALS]
                ]
            },
        }
    elif review.phase is Phase.MUTATING:
        if operations := _patch(review.object, decision.object):
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
    elif decision.denials:
        response["warnings"] = [
            clean_text(
                f"SpawnPolicy {decision.policy} (Audit) would refuse: {one}", _LONGEST_WARNING
            )
            for one in decision.denials[:MAX_DENIALS]
        ]
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def answer_busy(review: Review, message: str) -> dict[str, Any]:
    """The AdmissionReview that rejects a request temporarily with a 429. The client may retry."""
    status = {
        "code": 429,
        "reason": "TooManyRequests",
        "message": message,
        "details": {"retryAfterSeconds": 1},
    }
    response = {"uid": review.uid, "allowed": False, "status": status}
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def answer_unread(uid: str, message: str) -> dict[str, Any]:
    """The AdmissionReview that denies a request that is too large to parse."""
    status = {"code": 403, "reason": "Forbidden", "message": message}
    response = {"uid": uid, "allowed": False, "status": status}
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _patch(given: Any, wanted: Any) -> list[dict[str, Any]]:
    """A JSON Patch that replaces whole top-level fields, so that the object is stored as checked."""
    if wanted is None:
        return []
    if not isinstance(given, dict) or not isinstance(wanted, dict):
        raise TypeError("only objects can be changed")
    changed = [key for key in {**given, **wanted} if given.get(key) != wanted.get(key)]
    if not set(changed) <= set(_PATCHED):
        raise ValueError(f"more was changed than {' and '.join(_PATCHED)}")
    # "add" also replaces an existing field. No field is ever removed.
    return [{"op": "add", "path": f"/{key}", "value": wanted[key]} for key in changed]


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _object(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    if not isinstance(found, dict):
        raise ReviewError(f"{key} is no object")
    return found


def _manifest(data: Mapping[str, Any], key: str) -> Any:
    found = data.get(key)
    if found is not None and not isinstance(found, dict):
        raise ReviewError(f"{key} is no object")
    return found


def _propagation(options: Any) -> str:
    """The propagation policy in DeleteOptions, from the current or the deprecated field."""
    found = options or {}
    policy = found.get("propagationPolicy")
    # The deprecated `orphanDependents` is a boolean.
    older = "Orphan" if found.get("orphanDependents") else ""
    return older if policy is None else str(policy)[:_LONGEST]


def _text(data: Mapping[str, Any], key: str) -> str:
    found = _any_text(data, key)
    if len(found) > _LONGEST:
        raise ReviewError(f"{key} is too long")
    return found


def _cut(data: Mapping[str, Any], key: str) -> str:
    """A text that the client chose, cut to `_LONGEST`.

    A longer text is not a malformed review: the guard denies it like any other value that is not
    allowed. The cut text is still too long to equal an allowed value.
    """
    return _any_text(data, key)[:_LONGEST]


def _any_text(data: Mapping[str, Any], key: str) -> str:
    found = data.get(key, "")
    if not isinstance(found, str):
        raise ReviewError(f"{key} is no text")
    return found
