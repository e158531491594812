"""From one admission request to a decision: decide by the policies, reserve a slot, and govern.

A request that is denied in any case is decided from memory, without calls to the API server. A
fact that cannot be found out is an error, and never leads to an admission.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ...base.names import NamespacedName
from ...base.parts import part
from ...spawnpolicy.decide import decide
from ...spawnpolicy.decision import Decision, Denial
from ...spawnpolicy.identity import Standing, identify
from ...spawnpolicy.reasons import PolicyReason
from ...spawnpolicy.request import Facts, Phase, Request, Subject, Usage
from ...spawnpolicy.review import Review
from ...spawnpolicy.rules.events import is_own_event
from ...spawnpolicy.rules.naming import new_ending
from ...spawnpolicy.rules.reports import is_own_report
from ...spawnpolicy.schema.policy import SpawnPolicy
from ...spawnpolicy.stamps import SPAWNED, stamps_of
from ..reasons import ControllerReason
from .confirmation import Confirmation, NotReadyError
from .facts import FactReader, is_agent, template_key
from .knowledge import Knowledge
from .live import Live
from .pace import MOST, SECONDS, Pace
from .protocols import Governing, Quota, Templates

_OF_THE_TEMPLATE = (
    PolicyReason.TEMPLATE_UNKNOWN,
    PolicyReason.TEMPLATE_CHANGED,
    PolicyReason.STAMP_FORGED,
    PolicyReason.NOT_AS_STAMPED,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision and its subject. `mode` is that of the policy: Enforce, Audit, or ""."""

    decision: Decision
    subject: Subject | None = None
    mode: str = ""


class Decider:
    """Decides about admission requests. Raises `KubeError`, `HotpeersError` or `TimeoutError`."""

    def __init__(
        self,
        knowledge: Knowledge,
        live: Live,
        quota: Quota,
        governing: Governing,
        templates: Templates | None = None,
    ) -> None:
        self._knowledge = knowledge
        self._facts = FactReader(knowledge, live, templates)
        self._confirmation = Confirmation(knowledge, live, governing)
        self._quota = quota
        self._governing = governing
        self._events = Pace()
        self._reports = Pace()

    async def decide(self, review: Review) -> Verdict:
        """The decision about one request."""
        if why := self._knowledge.unready:
            raise NotReadyError(why)
        identity = identify(review.username, review.user_uid, self._knowledge.known)
        if identity.standing is Standing.GOVERNED:
            assert identity.subject is not None, "whoever is governed is known"  # noqa: S101
            return await self._of_governed(review, identity.subject)
        if review.phase is Phase.VALIDATING:
            identity = await self._confirmation.confirm(review, identity)
        denial = identity.denial or (_forged(review) if identity.subject else None)
        if denial is not None:
            return Verdict(Decision(allowed=False, denials=(denial,)), identity.subject)
        return Verdict(Decision(allowed=True), identity.subject)

    async def _of_governed(self, review: Review, subject: Subject) -> Verdict:
        known = self._knowledge.known
        governing = known.governing(subject)
        # Keep two groups of policies: those that may allow the request, and those with a subject
        # that has the object's name, because the new object would get that subject's rights. Leave
        # out all others: a namespace may have thousands of policies. A generated name is checked in
        # the validating phase, where it is complete.
        name = review.name or str(part(review.object, "metadata").get("name") or "")
        taken = known.naming(review.namespace, name)
        policies = list({one.key: one for one in (*governing, *taken)}.values())
        modes = {one.key: one.spec.mode for one in governing}
        request = review.request_of(subject)
        if is_own_event(request):
            return Verdict(_paced(request, self._events, "Events"), subject)
        if is_own_report(request):
            return Verdict(_paced(request, self._reports, "statuses"), subject)
        decision = await self._decided(request, policies, governing)
        return Verdict(decision, subject, modes.get(decision.policy, ""))

    async def _decided(
        self, request: Request, policies: Sequence[SpawnPolicy], governing: Sequence[SpawnPolicy]
    ) -> Decision:
        facts = Facts(now=datetime.now(UTC), ending=new_ending())
        key = template_key(request, governing)
        at_best = _at_best(request, policies, facts, key)
        if not at_best.allowed or not at_best.policy:
            return at_best
        creating = request.operation == "CREATE" and request.phase is Phase.VALIDATING
        enforced = [one.key for one in governing if one.spec.mode == "Enforce"]
        if request.operation == "CREATE" and not creating and enforced and request.name:
            self._facts.expect(request)
        if not creating and not key:
            return at_best
        facts = await self._facts.found(request, governing, facts, key, must=bool(enforced))
        if not creating or not enforced:
            return decide(request, policies, facts)
        return await self._counted(request, policies, facts, enforced)

    async def _counted(
        self,
        request: Request,
        policies: Sequence[SpawnPolicy],
        facts: Facts,
        enforced: Sequence[str],
    ) -> Decision:
        """Decide by the usage, reserve the slot, and make sure that the new account is governed."""

        def by_usage(usage: Mapping[str, Usage]) -> Decision:
            return decide(request, policies, replace(facts, usage=usage))

        # The API server sets the name and uid before it calls the validating webhooks.
        uid = part(request.object, "metadata").get("uid")
        slot = self._quota.reserve(
            enforced,
            f"{request.namespace}/{request.name}",
            by_usage,
            uid=uid if isinstance(uid, str) else "",
            dry_run=request.dry_run,
        )
        expected = await slot.expected()
        if not expected.allowed or request.dry_run:
            return await slot.decided()
        # The slot and the account each need a write to the API server: do both at the same time.
        account = NamespacedName(request.namespace, request.name)
        governed = asyncio.create_task(self._governing.ensure([account]), name="govern account")
        try:
            decision = await slot.decided()
            if decision.allowed:
                await governed
        finally:
            governed.cancel()
            await asyncio.gather(governed, return_exceptions=True)
        return decision


def _paced(request: Request, pace: Pace, what: str) -> Decision:
    """Allow a write of the allowed form, unless there are too many. Dry runs do not count."""
    counts = request.phase is Phase.VALIDATING and not request.dry_run
    subject = request.subject
    if not counts or pace.take(f"{subject.namespace}/{subject.agent or subject.service_account}"):
        return Decision(allowed=True)
    wrong = f"{MOST} {what} were written within {SECONDS:.0f} seconds"
    denial = Denial(ControllerReason.TOO_MANY_EVENTS, "", wrong, f"{MOST}; wait")
    return Decision(allowed=False, denials=(denial,))


def _at_best(request: Request, policies: Sequence[SpawnPolicy], facts: Facts, key: str) -> Decision:
    """The decision in the best case: the name is free, the usage 0, and the template unchanged."""
    if not key:
        return decide(request, policies, facts)
    templates = {key: part(request.object, "spec")}
    decision = decide(request, policies, replace(facts, templates=templates))
    denials = tuple(one for one in decision.denials if one.reason not in _OF_THE_TEMPLATE)
    return replace(decision, allowed=decision.allowed or not denials, denials=denials)


def _forged(review: Review) -> Denial | None:
    """Deny stamps of a subject without a known policy.

    Another replica may know of a policy that this one does not know yet.
    """
    if not is_agent(review) or review.operation not in ("CREATE", "UPDATE"):
        return None
    now, before = stamps_of(review.object), stamps_of(review.old_object)
    same = now.annotations == before.annotations and (
        now.labels.get(SPAWNED) == before.labels.get(SPAWNED)
    )
    if same or review.phase is Phase.MUTATING:
        return None
    return Denial(
        PolicyReason.STAMP_FORGED, "metadata", "stamps, and no SpawnPolicy that put them on"
    )


Decide = Callable[[Review], Awaitable[Verdict]]
