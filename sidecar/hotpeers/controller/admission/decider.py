"""From one admission request to a decision: gathers the facts that `spawnpolicy.decide` needs.

A request that is denied in any case is decided from memory, without calls to the API server. A
fact that cannot be found out is an error, and never leads to an admission.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from ...base.errors import HotpeersError
from ...base.parts import part
from ...kube.errors import KubeError
from ...spawnpolicy.decide import decide
from ...spawnpolicy.decision import Decision, Denial
from ...spawnpolicy.identity import Identity, Standing, identify, of_orphan
from ...spawnpolicy.known import Known
from ...spawnpolicy.reasons import PolicyReason
from ...spawnpolicy.request import (
    AGENT_GROUP,
    AGENT_RESOURCE,
    AGENT_VERSION,
    Facts,
    Phase,
    Request,
    Subject,
    Usage,
)
from ...spawnpolicy.review import Review
from ...spawnpolicy.rules.events import is_own_event
from ...spawnpolicy.rules.naming import new_ending
from ...spawnpolicy.schema.policy import SpawnPolicy
from ...spawnpolicy.stamps import SPAWNED, TEMPLATE, stamps_of
from ..reasons import ControllerReason
from .knowledge import Knowledge
from .live import Live, TooManyError
from .looks import Looks
from .pace import MOST, SECONDS, Pace

_READ_SECONDS = 2.5
_OF_THE_TEMPLATE = (
    PolicyReason.TEMPLATE_UNKNOWN,
    PolicyReason.TEMPLATE_CHANGED,
    PolicyReason.STAMP_FORGED,
    PolicyReason.NOT_AS_STAMPED,
)


class NotReadyError(HotpeersError):
    """This replica cannot decide yet: its caches are incomplete or out of date."""


class Slot(Protocol):
    """The slot that a request asks for."""

    async def expected(self) -> Decision:
        """The preliminary decision by the counts, before the slot is written."""

    async def decided(self) -> Decision:
        """The final decision. If it allows the agent, the slot is written."""


class Quota(Protocol):
    """Counts that are exact over all replicas."""

    def reserve(
        self,
        keys: Iterable[str],
        agent: str,
        decide: Callable[[Mapping[str, Usage]], Decision],
        *,
        uid: str = "",
        dry_run: bool = False,
    ) -> Slot:
        """Request a slot for the agent. `decide` gets the usage of each of these policies."""


class Governing(Protocol):
    """The accounts whose requests the API server sends to the guard."""

    async def ensure(self, accounts: Iterable[tuple[str, str]]) -> None:
        """Return once the API server sends requests of these ServiceAccounts too.

        Each account is a pair of namespace and name.
        """

    def spans(self, account: tuple[str, str]) -> bool:
        """Whether the account is matched by a range of names."""


class Templates(Protocol):
    """The templates of agents in a registry."""

    async def spec_of(self, key: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The spec of a template; None if it cannot be read."""


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
        self._live = live
        self._looks = Looks(live)
        self._quota = quota
        self._governing = governing
        self._templates = templates
        self._events = Pace()

    async def decide(self, review: Review) -> Verdict:
        """The decision about one request."""
        if why := self._knowledge.unready:
            raise NotReadyError(why)
        identity = identify(review.username, review.user_uid, self._knowledge.known)
        if identity.standing is Standing.GOVERNED:
            assert identity.subject is not None, "whoever is governed is known"  # noqa: S101
            return await self._of_governed(review, identity.subject)
        if review.phase is Phase.VALIDATING:
            identity = await self._confirmed(review, identity)
        denial = identity.denial or (_forged(review) if identity.subject else None)
        if denial is not None:
            return Verdict(Decision(allowed=False, denials=(denial,)), identity.subject)
        return Verdict(Decision(allowed=True), identity.subject)

    async def _confirmed(self, review: Review, identity: Identity) -> Identity:
        """Check with live reads that the user is not governed.

        This replica knows of no policy for the user. But the API server sent the request, so
        another replica may know of one.
        """
        subject = identity.subject
        if identity.standing is Standing.REFUSED or subject is None:
            return identity
        async with asyncio.timeout(_READ_SECONDS):
            known = await self._known_now(subject)
            if identity.standing is Standing.ORPHAN:
                account = await self._live.account(subject.namespace, subject.service_account)
                identity = of_orphan(identity, account)
        again = identify(review.username, review.user_uid, known)
        # Other standings prove nothing: the policy of a spawned agent may be in a namespace that
        # was not read.
        if again.standing in {Standing.GOVERNED, Standing.REFUSED}:
            raise NotReadyError("a SpawnPolicy or Agent changed and was not read yet; try again")
        return identity

    async def _known_now(self, subject: Subject) -> Known:
        """The agents and policies now, as far as they matter for an account in its namespace.

        Read from the API server, because the watch cache may be behind.
        """
        account = (subject.namespace, subject.service_account)
        if not self._governing.spans(account):
            with suppress(TooManyError):
                return await self._live.known_in(subject.namespace)
        # A range of names sends requests of many accounts, and a namespace that is matched as a
        # whole may be large, so a list per request costs too much. Use the cache, and read only the
        # account's own agent: it may be too new for the cache.
        if not self._knowledge.fresh():
            raise NotReadyError("the state of the cluster is not known yet; try again")
        agent = await self._live.agent(subject.namespace, subject.service_account)
        if agent is None:
            return Known()
        # A namespace may have thousands of policies: take only those that name this account or
        # its agent.
        asking = replace(subject, agent=agent.name, agent_uid=agent.uid)
        return Known([agent], self._knowledge.known.governing(asking))

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
            return Verdict(self._of_event(request), subject)
        decision = await self._decided(request, policies, governing)
        return Verdict(decision, subject, modes.get(decision.policy, ""))

    def _of_event(self, request: Request) -> Decision:
        """Allow an Event of the allowed form, unless there are too many. Dry runs do not count."""
        counts = request.phase is Phase.VALIDATING and not request.dry_run
        subject = request.subject
        if not counts or self._events.take(f"{subject.namespace}/{subject.agent}"):
            return Decision(allowed=True)
        wrong = f"{MOST} Events were written within {SECONDS:.0f} seconds"
        denial = Denial(ControllerReason.TOO_MANY_EVENTS, "", wrong, f"{MOST}; wait")
        return Decision(allowed=False, denials=(denial,))

    async def _decided(
        self, request: Request, policies: Sequence[SpawnPolicy], governing: Sequence[SpawnPolicy]
    ) -> Decision:
        facts = Facts(now=datetime.now(UTC), ending=new_ending())
        key = _template_key(request, governing)
        at_best = _at_best(request, policies, facts, key)
        if not at_best.allowed or not at_best.policy:
            return at_best
        creating = request.operation == "CREATE" and request.phase is Phase.VALIDATING
        enforced = [one.key for one in governing if one.spec.mode == "Enforce"]
        if request.operation == "CREATE" and not creating and enforced and request.name:
            known = self._knowledge.known.has_agent(request.namespace, request.name)
            self._looks.begin(request.namespace, request.name, known=known)
        if not creating and not key:
            return at_best
        facts = await self._found(request, governing, facts, key, must=bool(enforced))
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
        account = (request.namespace, request.name)
        governed = asyncio.create_task(self._governing.ensure([account]), name="govern account")
        try:
            decision = await slot.decided()
            if decision.allowed:
                await governed
        finally:
            governed.cancel()
            await asyncio.gather(governed, return_exceptions=True)
        return decision

    async def _found(
        self,
        request: Request,
        governing: Sequence[SpawnPolicy],
        facts: Facts,
        key: str,
        *,
        must: bool,
    ) -> Facts:
        """Add facts that are read now. A failed read is an error only if `must` is true.

        `must` is false if all policies only audit.
        """
        creating = request.operation == "CREATE" and request.phase is Phase.VALIDATING
        try:
            async with asyncio.timeout(_READ_SECONDS):
                occupied, template = await asyncio.gather(
                    self._occupied(request) if creating else _nothing(),
                    self._template(key, governing[0].namespace, request.object),
                )
        except (KubeError, TimeoutError):
            if must:
                raise
            return facts
        templates = {} if template is None else {key: template}
        return replace(facts, occupied=occupied, templates=templates)

    async def _occupied(self, request: Request) -> tuple[str, ...]:
        place, name = request.namespace, request.name
        known = self._knowledge.known.has_agent(place, name)
        return await self._looks.occupied(place, name, known=known)

    async def _template(self, key: str, home: str, wanted: Any) -> dict[str, Any] | None:
        kind, _, name = key.partition(":")
        if kind == "agent":
            return await self._live.agent_spec(home, name)
        if kind == "registry" and self._templates is not None:
            return await self._templates.spec_of(key, wanted)
        return None


async def _nothing() -> tuple[str, ...]:
    return ()


def _template_key(request: Request, governing: Sequence[SpawnPolicy]) -> str:
    """The template that an agent names; "" if it names none, or no policy allows that one."""
    if request.operation not in ("CREATE", "UPDATE") or not _is_agent(request):
        return ""
    # An update without the annotation is compared with the template of the old object.
    told = [
        part(part(one, "metadata"), "annotations") for one in (request.object, request.old_object)
    ]
    key = next((one[TEMPLATE] for one in told if TEMPLATE in one), None)
    allowed = (one.spec.templates.keys() for one in governing if one.spec.templates)
    return key if isinstance(key, str) and any(key in keys for keys in allowed) else ""


def _at_best(request: Request, policies: Sequence[SpawnPolicy], facts: Facts, key: str) -> Decision:
    """The decision in the best case: the name is free, the usage 0, and the template unchanged."""
    if not key:
        return decide(request, policies, facts)
    templates = {key: part(request.object, "spec")}
    decision = decide(request, policies, replace(facts, templates=templates))
    denials = tuple(one for one in decision.denials if one.reason not in _OF_THE_TEMPLATE)
    return replace(decision, allowed=decision.allowed or not denials, denials=denials)


def _is_agent(request: Request | Review) -> bool:
    return (request.group, request.version, request.resource, request.subresource) == (
        AGENT_GROUP,
        AGENT_VERSION,
        AGENT_RESOURCE,
        "",
    )


def _forged(review: Review) -> Denial | None:
    """Deny stamps of a subject without a known policy.

    Another replica may know of a policy that this one does not know yet.
    """
    if not _is_agent(review) or review.operation not in ("CREATE", "UPDATE"):
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
