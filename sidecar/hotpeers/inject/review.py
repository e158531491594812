"""An AdmissionReview in, an AdmissionReview out: whatever happens, the pod is admitted."""

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
from .outcome import Injection, Json, Skip, Verdict
from .reasons import InjectReason

logger = logging.getLogger(__name__)

# The API server cuts longer ones.
_LONGEST_WARNING = 250


class Result(StrEnum):
    """What became of one request."""

    INJECTED = "injected"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Review:
    """The answer to one request, and what to count it as.

    `told` is what the owner of the pod's Agent should hear of: why something was not injected.
    """

    answer: Json
    result: Result
    reason: Reason | None = None
    told: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request about the creation of a pod."""

    uid: str
    pod: Json
    namespace: str
    dry_run: bool = False


def review(raw: bytes | str, injection: Injection, sources: Sources = NOTHING) -> Review:
    """Answer the body of one request; never raises, and always allows."""
    request = read_request(raw)
    return request if isinstance(request, Review) else judge(request, injection, sources)


def read_request(raw: bytes | str) -> Request | Review:
    """The request in a body, or the answer to one that is not understood; never raises."""
    uid = ""
    try:
        document = json.loads(raw)
        request = document["request"]
        uid = str(request["uid"])
        pod, namespace = _pod(request)
        return Request(uid, pod, namespace, request.get("dryRun") is True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        # Not its repr, which may hold the pod.
        what = f"{type(error).__name__}: {str(error)[:100]}"
        extra = {"reason": InjectReason.REQUEST_INVALID.value}
        logger.warning("a request is not understood: %s", what, extra=extra)
        return Review(_answer(uid), Result.FAILED, InjectReason.REQUEST_INVALID)


def judge(request: Request, injection: Injection, sources: Sources = NOTHING) -> Review:
    """Answer one request; never raises, and always allows."""
    uid, title = request.uid, _title(request.pod, request.namespace)
    try:
        settled, verdict = _verdict(request, injection, sources)
    except Exception:
        # A fault of ours must not keep a pod from starting.
        reason = InjectReason.INJECTION_FAILED
        logger.exception("pod %s is left as it is", title, extra={"reason": reason.value})
        warning = f"hotpeers: nothing is injected: {reason.value}: see the controller's log"
        return Review(_answer(uid, warnings=(warning,)), Result.FAILED, reason)
    _log(verdict, title)
    if settled:
        logger.info("pod %s: its annotations are now those of its Agent or Namespace", title)
    answer = _answer(uid, (*settled, *verdict.operations), verdict.warnings)
    if verdict.skip is not None:
        return Review(answer, Result.SKIPPED, verdict.skip.reason, told=(verdict.skip,))
    result = Result.INJECTED if verdict.injected else Result.UNCHANGED
    return Review(answer, result, told=verdict.without)


def _verdict(
    request: Request, injection: Injection, sources: Sources
) -> tuple[tuple[Json, ...], Verdict]:
    """The operations that bring the annotations to what holds for the pod, and what comes of it."""
    if sources.unknown is not None:
        injected = is_injected(request.pod)
        return (), Verdict() if injected else skip_pod(request.pod, sources.unknown)
    edit, known = settle(request.pod, sources)
    return tuple(edit.operations), make_patch(edit.pod, request.namespace, injection, known=known)


def _pod(request: Mapping[str, Any]) -> tuple[Json, str]:
    """The pod that is to be created, and its namespace; KeyError, TypeError or ValueError."""
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
    # Most pods get their name only after admission.
    return f"{namespace}/{metadata.get('name') or metadata.get('generateName') or '?'}"


def _answer(uid: str, operations: tuple[Json, ...] = (), warnings: tuple[str, ...] = ()) -> Json:
    response: Json = {"uid": uid, "allowed": True}
    if operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
    if warnings:
        response["warnings"] = [warning[:_LONGEST_WARNING] for warning in warnings]
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def _log(verdict: Verdict, title: str) -> None:
    if verdict.skip is not None:
        reason = verdict.skip.reason.value
        logger.warning("pod %s is skipped: %s", title, verdict.skip, extra={"reason": reason})
    elif verdict.injected:
        logger.info("pod %s is injected", title)
        for one in verdict.without:
            extra = {"reason": one.reason.value}
            logger.warning("pod %s is not given all it asks for: %s", title, one, extra=extra)
