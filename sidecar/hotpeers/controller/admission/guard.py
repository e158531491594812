"""`/guard/mutate` and `/guard/validate` over HTTP, and what is told of each request.

A fault of ours is an HTTP error: the webhooks' failurePolicy makes the API server refuse the request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from hotpeers_shim.contract import clean_text

from ...base.errors import HotpeersError
from ...base.reasons import Reason, sentence_of
from ...kube.errors import KubeError
from ...spawnpolicy.decision import Denial
from ...spawnpolicy.reasons import PolicyReason
from ...spawnpolicy.request import Phase
from ...spawnpolicy.review import (
    Review,
    ReviewError,
    answer,
    answer_busy,
    answer_unread,
    read_review,
)
from ..metrics import ControllerMetrics
from ..port.intake import INTAKE, BodyError, GoneError
from ..port.turns import Busy, Turns
from ..quota.ledger import LastDenial
from ..reasons import ControllerReason
from .audit import audit, what_of, who_of
from .denials import Told
from .judging import Judge, NotReadyError, Verdict

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 1024
"""As the definition of SpawnPolicy has it."""

# The API server gives the webhook five.
_ANSWER_SECONDS = 4.5
_ALL_AT_ONCE, _OF_A_NAMESPACE = 64, 32
"""Requests that are judged at the same time: of all, and of the subjects of one namespace."""
_AT_ONCE, _WAITING = 8, 64
"""Requests of one subject that are judged, and that wait, at the same time."""
_MANY = 1_000_000
_WAIT_SECONDS = 3.0
_FORESEEN = (TimeoutError, KubeError, HotpeersError)

NoteDenial = Callable[[Review, Verdict, Denial], None]
"""Told of each request that was denied, or would be, and of the first thing that is wrong with it."""


class Guard:
    """Answers the API server. `note` is called with each denial, and must return at once."""

    def __init__(
        self,
        judge: Judge,
        metrics: ControllerMetrics,
        note: NoteDenial,
        draining: Callable[[], bool],
    ) -> None:
        self._judge = judge
        self._metrics = metrics
        self._note = note
        self._draining = draining
        # The API server is one caller for all subjects, of whom none may take all its time.
        self._subjects = Turns(_MANY, _AT_ONCE, _WAIT_SECONDS, queue=_WAITING)
        self._namespaces = Turns(_ALL_AT_ONCE, _OF_A_NAMESPACE, _WAIT_SECONDS)

    def add_to(self, app: web.Application) -> None:
        """Serve both paths in an application."""
        app.router.add_post("/guard/mutate", self._mutate)
        app.router.add_post("/guard/validate", self._validate)

    async def _mutate(self, request: web.Request) -> web.Response:
        return await self._answer(request, Phase.MUTATING)

    async def _validate(self, request: web.Request) -> web.Response:
        return await self._answer(request, Phase.VALIDATING)

    async def _answer(self, request: web.Request, phase: Phase) -> web.Response:
        try:
            async with request.app[INTAKE].body(request) as body:
                begun = time.perf_counter()
                response = await self._judged(body, phase)
                self._metrics.judged_in(phase.value, time.perf_counter() - begun)
        except GoneError as error:
            return web.Response(status=error.status)
        except BodyError as error:
            response = self._unread(error)
        if self._draining():
            # So that the next request goes to another replica.
            response.force_close()
        return response

    def _unread(self, error: BodyError) -> web.Response:
        reason = PolicyReason.REVIEW_INVALID if error.status < 500 else ControllerReason.TOO_BUSY
        logger.warning("guard: a request is not read: %s", error, extra={"reason": reason.value})
        self._metrics.judged("", "failed", reason.value)
        if error.uid and error.status < 500:
            # Whoever asks learns why, which of an error of HTTP he need not.
            return web.json_response(answer_unread(error.uid, _line(reason, str(error))))
        # The API server hands on what is said of these two statuses.
        return _fault(400 if error.status < 500 else 500, reason, str(error))

    async def _judged(self, body: str, phase: Phase) -> web.Response:
        try:
            review = read_review(body, phase)
        except ReviewError as error:
            logger.warning("guard: a request is not understood: %s", error)
            self._metrics.judged("", "failed", error.reason.value)
            return _fault(400, error.reason, str(error))
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                self._subjects.turn(review.username),
                self._namespaces.turn(_namespace_of(review.username)),
            ):
                verdict = await self._judge(review)
            told = answer(review, verdict.decision)
        except Busy:
            return self._too_many(review)
        except Exception as error:  # noqa: BLE001 - whatever it is, it refuses
            return self._failed(review, error)
        self._tell(review, verdict)
        return web.Response(text=json.dumps(told), content_type="application/json")

    def _too_many(self, review: Review) -> web.Response:
        """Refuse one request of a subject that asks more at once than it may."""
        self._metrics.judged(review.operation, "denied", ControllerReason.TOO_BUSY.value)
        audit(review, None, ControllerReason.TOO_BUSY.value)
        message = (
            f"hotpeers guard: {_AT_ONCE} requests of this subject are being judged and {_WAITING} wait "
            f"({ControllerReason.TOO_BUSY.value}); send fewer at once"
        )
        told = answer_busy(review, message)
        return web.json_response(told)

    def _tell(self, review: Review, verdict: Verdict) -> None:
        """Tell of a decision, once: an admission is only one after the validating phase."""
        decision = verdict.decision
        if decision.allowed and review.phase is Phase.MUTATING:
            return
        first = decision.denials[0] if decision.denials else None
        outcome = ("audited" if first else "allowed") if decision.allowed else "denied"
        self._metrics.judged(review.operation, outcome, first.reason.value if first else "")
        audit(review, verdict)
        if first is not None:
            self._note(review, verdict, first)

    def _failed(self, review: Review, error: Exception) -> web.Response:
        reason, why = _fault_of(error)
        extra = {"reason": reason.value}
        logger.warning(
            "guard: %s: %s",
            reason.value,
            why,
            extra=extra,
            exc_info=None if isinstance(error, _FORESEEN) else error,
        )
        self._metrics.judged(review.operation, "failed", reason.value)
        audit(review, None, reason.value)
        # Of a 503 the API server would hand on nothing of what is said.
        return _fault(500, reason, why)


def _fault_of(error: Exception) -> tuple[Reason, str]:
    """The word of a fault, and one line for whoever is refused by it."""
    match error:
        case NotReadyError():
            return ControllerReason.GUARD_NOT_READY, str(error)
        case TimeoutError():
            return ControllerReason.GUARD_FAILED, "it took too long"
        case KubeError():
            return error.reason, f"the API server: {error}"
        case HotpeersError():
            reason = getattr(error, "reason", ControllerReason.GUARD_FAILED)
            return reason, str(error)
    return ControllerReason.GUARD_FAILED, "see the controller's log"


def told_of(review: Review, verdict: Verdict, denial: Denial, policy_uid: str) -> Told:
    """What an Event says of a denial."""
    namespace, _, name = verdict.decision.policy.partition("/")
    place = "/".join(one for one in (review.namespace, review.name) if one)
    return Told(
        policy=(namespace, name),
        policy_uid=policy_uid,
        who=who_of(verdict, review),
        what=f"{review.operation} {what_of(review)} {place}".strip(),
        denial=Denial(denial.reason, denial.path, ""),
        refused=not verdict.decision.allowed,
    )


def last_denial(review: Review, verdict: Verdict, denial: Denial) -> LastDenial:
    """What the status of a SpawnPolicy says of a denial, and of how many more there are.

    It holds nothing of the object but names of fields and of the object: what is wrong is told by the
    sentence of its reason, since a denial itself quotes values; what is allowed comes of the policy.
    """
    place = f"{denial.path}: " if denial.path else ""
    instead = f"; allowed: {denial.allowed}" if denial.allowed else ""
    others = len(verdict.decision.denials) - 1
    more = f"; and {others} more" if others > 0 else ""
    # What may be long is cut first.
    kept = _LONGEST_MESSAGE - len(more)
    sentence = sentence_of(denial.reason).removesuffix(".")
    whole = clean_text(f"{place}{sentence} ({denial.reason}){instead}", kept)
    return LastDenial(
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        subject=who_of(verdict, review)[:317],
        operation=review.operation,
        name=clean_text(review.name, 253),
        namespace=clean_text(review.namespace, 63),
        reason=denial.reason.value,
        field=clean_text(denial.path, 256),
        message=f"{whole}{more}",
    )


def _namespace_of(username: str) -> str:
    """The namespace of a ServiceAccount; any other user by itself."""
    parts = username.split(":")
    return (
        parts[2] if username.startswith("system:serviceaccount:") and len(parts) == 4 else username
    )


def _fault(status: int, reason: Reason, why: str) -> web.Response:
    return web.Response(status=status, text=_line(reason, why))


def _line(reason: Reason, why: str) -> str:
    return " ".join(f"hotpeers guard: {why} ({reason.value})".split())
