"""Answers an AdmissionReview about a Deployment. The update is always admitted, even after an error."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import dataclass
from datetime import datetime

from ..base.parts import Json, part, text
from .decision import Decision, Result, decide

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Review:
    """The answer to one request, and the result to count. A dry run is not counted."""

    answer: Json
    result: Result
    dry_run: bool = False


def review(raw: str, account: str, now: datetime) -> Review:
    """Answer the body of one request. It never raises and always allows the update.

    `account` is the controller's own user. Its updates are not changed, because it releases holds.
    """
    uid = ""
    try:
        request = part(json.loads(raw), "request")
        uid = text(request, "uid")
        dry_run = request.get("dryRun") is True
        decision = _decision(request, account, now)
    except (ValueError, RecursionError) as error:
        # Do not log the error's message, which may contain a part of the object.
        logger.warning("hold: a request is not understood: %s", type(error).__name__)
        return Review(_answer(uid, ()), Result.FAILED)
    except Exception:
        # An error of hotpeers must not block kagent.
        logger.exception("hold: a request is left as it is")
        return Review(_answer(uid, ()), Result.FAILED)
    if decision.result in (Result.HELD, Result.REVERTED) and not dry_run:
        title = f"{text(request, 'namespace')}/{text(request, 'name')}"
        logger.info("Deployment %s: its new configuration is %s", title, decision.result)
    return Review(_answer(uid, decision.operations), decision.result, dry_run)


def _decision(request: Json, account: str, now: datetime) -> Decision:
    old, new = request.get("oldObject"), request.get("object")
    if (
        text(request, "uid") == ""
        or text(request, "kind", "kind") != "Deployment"
        or request.get("operation") != "UPDATE"
        or not isinstance(old, dict)
        or not isinstance(new, dict)
    ):
        raise ValueError("it is not about an update of a Deployment")
    if account and text(request, "userInfo", "username") == account:
        return Decision(Result.UNCHANGED)
    return decide(old, new, now)


def _answer(uid: str, operations: tuple[Json, ...]) -> Json:
    response: Json = {"uid": uid, "allowed": True}
    if operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
