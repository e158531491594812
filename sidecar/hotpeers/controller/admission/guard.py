"""`/guard/mutate` and `/guard/validate` over HTTP, with metrics, audit log and Events per request.

A failure of the guard is an HTTP error: the failurePolicy of the webhooks makes the API server
reject the request.
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
from ...base.names import NamespacedName
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
from .confirmation import NotReadyError
from .decider import Decide, Verdict
from .denials import Told

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 1024
"""The maxLength of this message in the CRD of SpawnPolicy."""

# The API server's timeout for the webhook is five seconds.
_ANSWER_SECONDS = 4.5
_ALL_AT_ONCE, _OF_A_NAMESPACE = 64, 32
"""Requests that are decided at the same time: in total, and from the subjects of one namespace."""
_AT_ONCE, _WAITING = 8, 64
"""Requests of one subject that are decided at the same time, and that wait."""
_MANY = 1_000_000
_WAIT_SECONDS = 3.0
_FORESEEN = (TimeoutError, KubeError, HotpeersError)

NoteDenial = Callable[[Review, Verdict, Denial], None]
"""Called for each request that is denied (or would be, in audit mode), with its first denial."""


class Guard:
    """Answers the API server. `note` is called with each denial, and must return at once."""

    def __init__(
        self,
        decide: Decide,
        metrics: ControllerMetrics,
        note: NoteDenial,
        draining: Callable[[], bool],
    ) -> None:
        self._decide = decide
        self._metrics = metrics
        self._note = note
        self._draining = draining
        # The API server sends the requests of all subjects. Limit each subject, so that one
        # cannot delay the others.
        self._subjects = Turns(_MANY, _AT_ONCE, _WAIT_SECONDS, queue=_WAITING)
        self._namespaces = Turns(_ALL_AT_ONCE, _OF_A_NAMESPACE, _WAIT_SECONDS)

    def add_to(self, app: web.Application) -> None:
        """Add both paths to an application."""
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
                response = await self._answered(body, phase)
                self._metrics.decided_in(phase.value, time.perf_counter() - begun)
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
        self._metrics.decided("", "failed", reason.value)
        if error.uid and error.status < 500:
            # An admission response always shows the reason to the client; an HTTP error may not.
            return web.json_response(answer_unread(error.uid, _line(reason, str(error))))
        # The API server reports the body of these two statuses to the client.
        return _fault(400 if error.status < 500 else 500, reason, str(error))

    async def _answered(self, body: str, phase: Phase) -> web.Response:
        try:
            review = read_review(body, phase)
        except ReviewError as error:
            logger.warning("guard: a request is not understood: %s", error)
            self._metrics.decided("", "failed", error.reason.value)
            return _fault(400, error.reason, str(error))
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                self._subjects.turn(review.username),
                self._namespaces.turn(_namespace_of(review.username)),
            ):
                verdict = await self._decide(review)
            told = answer(review, verdict.decision)
        except Busy:
            return self._too_many(review)
        except Exception as error:  # noqa: BLE001 - any error refuses the request
            return self._failed(review, error)
        self._tell(review, verdict)
        return web.Response(text=json.dumps(told), content_type="application/json")

    def _too_many(self, review: Review) -> web.Response:
        """Refuse a request of a subject that sends too many requests at once."""
        self._metrics.decided(review.operation, "denied", ControllerReason.TOO_BUSY.value)
        audit(review, None, ControllerReason.TOO_BUSY.value)
        message = (
            f"hotpeers guard: {_AT_ONCE} requests of this subject are being decided and {_WAITING} wait "
            f"({ControllerReason.TOO_BUSY.value}); send fewer at once"
        )
        told = answer_busy(review, message)
        return web.json_response(told)

    def _tell(self, review: Review, verdict: Verdict) -> None:
        """Report a decision once: an admission is final only after the validating phase."""
        decision = verdict.decision
        if decision.allowed and review.phase is Phase.MUTATING:
            return
        first = decision.denials[0] if decision.denials else None
        outcome = ("audited" if first else "allowed") if decision.allowed else "denied"
        self._metrics.decided(review.operation, outcome, first.reason.value if first else "")
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
        self._metrics.decided(review.operation, "failed", reason.value)
        audit(review, None, reason.value)
        # The API server drops the body of a 503, so answer 500.
        return _fault(500, reason, why)


def _fault_of(error: Exception) -> tuple[Reason, str]:
    """The reason of an error, and a message of one line for the client."""
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
    """The content of the Event about a denial."""
    namespace, _, name = verdict.decision.policy.partition("/")
    place = "/".join(one for one in (review.namespace, review.name) if one)
    return Told(
        policy=NamespacedName(namespace, name),
        policy_uid=policy_uid,
        who=who_of(verdict, review),
        what=f"{review.operation} {what_of(review)} {place}".strip(),
        denial=Denial(denial.reason, denial.path, ""),
        refused=not verdict.decision.allowed,
    )


def last_denial(review: Review, verdict: Verdict, denial: Denial) -> LastDenial:
    """The first denial of a request for the status of a SpawnPolicy, with the number of others.

    It contains the name of the object and names of fields, but no values of the object. The denial
    itself quotes values, so use the general sentence of its reason. The allowed values come from
    the policy.
    """
    place = f"{denial.path}: " if denial.path else ""
    instead = f"; allowed: {denial.allowed}" if denial.allowed else ""
    others = len(verdict.decision.denials) - 1
    more = f"; and {others} more" if others > 0 else ""
    # Cut the long part, so that the number of others is kept.
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
    """The namespace of a ServiceAccount. For any other user, the user name itself."""
    parts = username.split(":")
    return (
        parts[2] if username.startswith("system:serviceaccount:") and len(parts) == 4 else username
    )


def _fault(status: int, reason: Reason, why: str) -> web.Response:
    return web.Response(status=status, text=_line(reason, why))


def _line(reason: Reason, why: str) -> str:
    return " ".join(f"hotpeers guard: {why} ({reason.value})".split())
