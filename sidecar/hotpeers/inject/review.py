"""Answers an AdmissionReview about a pod. The pod is always admitted, even after an error."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..base.reasons import Reason
from .conflicts import is_injected
from .effective import NOTHING, Sources, settle
from .injector import make_patch, skip_pod
from .outcome import Injection, Json, Patch, Skip
from .reasons import InjectReason

logger = logging.getLogger(__name__)

# The API server truncates longer warnings.
_LONGEST_WARNING = 250


class Result(StrEnum):
    """The result of one request, for metrics."""

    INJECTED = "injected"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Review:
    """The answer to one request, and the result to count.

    `told` has the reasons why something was not injected, for the owner of the pod's Agent.
    """

    answer: Json
    result: Result
    reason: Reason | None = None
    told: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request to create a pod."""

    uid: str
    pod: Json
    namespace: str
    dry_run: bool = False


def review(raw: bytes | str, injection: Injection, sources: Sources = NOTHING) -> Review:
    """Answer the body of one request. It never raises and always allows the pod."""
    request = read_request(raw)
    return request if isinstance(request, Review) else answer(request, injection, sources)


def read_request(raw: bytes | str) -> Request | Review:
    """Parse a body. Returns the answer to send if it is not valid. It never raises."""
    uid = ""
    try:
        document = json.loads(raw)
        request = document["request"]
        uid = str(request["uid"])
        pod, namespace = _pod(request)
        return Request(uid, pod, namespace, request.get("dryRun") is True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        # Do not log the repr of the error, which may contain the pod.
        what = f"{type(error).__name__}: {str(error)[:100]}"
        extra = {"reason": InjectReason.REQUEST_INVALID.value}
        logger.warning("a request is not understood: %s", what, extra=extra)
        return Review(_answer(uid), Result.FAILED, InjectReason.REQUEST_INVALID)


def answer(request: Request, injection: Injection, sources: Sources = NOTHING) -> Review:
    """Answer one request. It never raises and always allows the pod."""
    uid, title = request.uid, _title(request.pod, request.namespace)
    try:
        settled, patch = _patch(request, injection, sources)
    except Exception:
        # An error of hotpeers must not prevent a pod from starting.
        reason = InjectReason.INJECTION_FAILED
        logger.exception("pod %s is left as it is", title, extra={"reason": reason.value})
        warning = f"hotpeers: nothing is injected: {reason.value}: see the controller's log"
        return Review(_answer(uid, warnings=(warning,)), Result.FAILED, reason)
    _log(patch, title)
    if settled:
        logger.info("pod %s: its annotations are now those of its Agent or Namespace", title)
    answer = _answer(uid, (*settled, *patch.operations), patch.warnings)
    if patch.skip is not None:
        return Review(answer, Result.SKIPPED, patch.skip.reason, told=(patch.skip,))
    result = Result.INJECTED if patch.injected else Result.UNCHANGED
    return Review(answer, result, told=patch.without)


def _patch(
    request: Request, injection: Injection, sources: Sources
) -> tuple[tuple[Json, ...], Patch]:
    """The operations that set the effective annotations, and the patch on the resulting pod."""
    if sources.unknown is not None:
        injected = is_injected(request.pod)
        return (), Patch() if injected else skip_pod(request.pod, sources.unknown)
    edit, known = settle(request.pod, sources)
    runtime = sources.agent.runtime if sources.agent is not None else ""
    patch = make_patch(edit.pod, request.namespace, injection, known=known, runtime=runtime)
    return tuple(edit.operations), patch


def _pod(request: Mapping[str, Any]) -> tuple[Json, str]:
    """The pod to create and its namespace. Raises KeyError, TypeError or ValueError."""
    pod, namespace = request["object"], request["namespace"]
    if request["kind"]["kind"] != "Pod" or request.get("operation", "CREATE") != "CREATE":
        raise ValueError("it is not about the creation of a pod")
    if not isinstance(pod, dict) or not isinstance(namespace, str) or not namespace:
        raise ValueError("it names no pod, or no namespace")
    return pod, namespace


def _title(pod: Json, namespace: str) -> str:
    metadata = pod.get("metadata")
    if not isinstance(metadata, dict):
        return f"{namespace}/?"
    # Most pods get their name after admission.
    return f"{namespace}/{metadata.get('name') or metadata.get('generateName') or '?'}"


def _answer(uid: str, operations: tuple[Json, ...] = (), warnings: tuple[str, ...] = ()) -> Json:
    response: Json = {"uid": uid, "allowed": True}
    if operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
    if warnings:
        response["warnings"] = [warning[:_LONGEST_WARNING] for warning in warnings]
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def _log(patch: Patch, title: str) -> None:
    if patch.skip is not None:
        reason = patch.skip.reason.value
        logger.warning("pod %s is skipped: %s", title, patch.skip, extra={"reason": reason})
    elif patch.injected:
        logger.info("pod %s is injected", title)
        for one in patch.without:
            extra = {"reason": one.reason.value}
            logger.warning("pod %s is not given all it asks for: %s", title, one, extra=extra)
