"""The decision: what one request of a governed subject may do under the SpawnPolicies there are."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from .decision import Decision, Denial, listed, shown
from .reasons import PolicyReason
from .request import (
    AGENT_API,
    AGENT_GROUP,
    AGENT_KIND,
    AGENT_RESOURCE,
    AGENT_VERSION,
    Facts,
    Phase,
    Request,
    Subject,
)
from .rules.agent import judge_spec
from .rules.defaults import completed
from .rules.events import ALLOWED, is_own_event
from .rules.lifecycle import judge_origin, judge_stamps, judge_unchanged, without_constants
from .rules.limits import judge_depth, judge_limits, lifetime
from .rules.metadata import judge_metadata, judge_name, matches
from .rules.naming import named
from .rules.reviews import is_self_review
from .rules.security import contexts_of
from .rules.size import too_large
from .rules.template import judge_template
from .rules.walk import Judge, fields
from .schema.policy import SpawnPolicy
from .stamps import TTL, Stamps, expiry, is_spawned_by, new_stamps, part, stamps_of

_TOLD = 3
"""How many policies tell why, where none is about the name and namespace of a request."""


def decide(request: Request, policies: Sequence[SpawnPolicy], facts: Facts) -> Decision:
    """Decide on a request of a governed subject.

    It is admitted whole by one policy, never by two that each allow a part. A policy that only
    audits lets nothing in that one that is enforced refuses. What no policy governs is refused:
    this is asked for governed subjects only.
    """
    if is_own_event(request) or is_self_review(request):
        return Decision(allowed=True)
    given = request.object
    request = named(request, facts.ending)
    governing = governing_policies(request.subject, policies)
    if not governing:
        who = f"{request.subject.namespace}/{request.subject.agent or request.subject.service_account}"
        denial = Denial(PolicyReason.POLICY_MISSING, "", f"no SpawnPolicy allows {who} anything")
        return Decision(allowed=False, denials=(denial,))
    enforced = [one for one in governing if one.spec.mode == "Enforce"]
    taken = frozenset(
        ref.name
        for one in policies
        if one.namespace == request.namespace
        for ref in one.spec.subjects
    )
    judged = sorted(enforced or governing, key=lambda one: bool(one.broken))
    if not enforced:
        # Nothing was stamped and named, so that there are no stamps to look for.
        name = "" if request.operation == "CREATE" else request.name
        request = replace(request, phase=Phase.MUTATING, name=name)
    verdicts: list[Decision] = []
    # A policy for other names or namespaces never admits this one; some of them tell why.
    for one in [one for one in judged if _is_near(request, one)] or judged[:_TOLD]:
        verdicts.append(_under(request, one, taken, facts))
        if verdicts[-1].allowed:
            break
    # Where none admits it, the policy that comes nearest has the most useful answer.
    best = min(verdicts, key=lambda verdict: len(verdict.denials))
    if enforced:
        # A name that was made here is stored as it was judged, with the stamps.
        is_new = best.allowed and best.object is None and request.object is not given
        return replace(best, object=request.object) if is_new else best
    return Decision(allowed=True, policy=best.policy, denials=best.denials)


def _is_near(request: Request, policy: SpawnPolicy) -> bool:
    name = part(request.object, "metadata").get("name")
    return request.namespace in policy.spec.targetNamespaces and any(
        isinstance(name, str) and matches(name, pattern) for pattern in policy.spec.names
    )


def governing_policies(subject: Subject, policies: Iterable[SpawnPolicy]) -> list[SpawnPolicy]:
    """The policies of a subject; of a spawned agent it is the one that it was spawned under."""
    if subject.policy:
        return [one for one in policies if one.key == subject.policy]
    names = {("ServiceAccount", subject.service_account)}
    if subject.agent:
        names.add(("Agent", subject.agent))
    return [
        one
        for one in policies
        if one.namespace == subject.namespace
        and any((ref.kind, ref.name) in names for ref in one.spec.subjects)
    ]


def _under(request: Request, policy: SpawnPolicy, taken: frozenset[str], facts: Facts) -> Decision:
    if policy.broken:
        wrong = f"the SpawnPolicy {policy.key} is not valid: {policy.broken}"
        denial = Denial(PolicyReason.POLICY_INVALID, "", wrong, "nothing until it is mended")
        return Decision(allowed=False, policy=policy.key, denials=(denial,))
    judge = Judge(
        policy.spec, request.namespace, request.subject.namespace, request.subject.depth + 1
    )
    manifest = None
    if _is_about_agents(judge, request, facts):
        if request.operation == "DELETE":
            _judge_delete(judge, request)
        else:
            manifest = _judge_write(judge, request, policy, taken, facts)
    denials = tuple(judge.denials)
    changed = manifest if not denials and manifest != request.object else None
    return Decision(not denials, policy.key, denials, changed)


def _is_about_agents(judge: Judge, request: Request, facts: Facts) -> bool:
    what = f"{request.resource}.{request.group}" if request.group else request.resource
    agents = f"{AGENT_RESOURCE}.{AGENT_GROUP}/{AGENT_VERSION}"
    if (request.group, request.resource, request.version) != (
        AGENT_GROUP,
        AGENT_RESOURCE,
        AGENT_VERSION,
    ):
        wrong = f"{shown(f'{what}/{request.version}')} may not be written"
        allowed = f"{agents}; {ALLOWED}" if request.resource == "events" else agents
        judge.deny(PolicyReason.RESOURCE_NOT_ALLOWED, "", wrong, allowed)
    elif request.subresource:
        wrong = f"the subresource {shown(request.subresource)} may not be written"
        judge.deny(PolicyReason.RESOURCE_NOT_ALLOWED, "", wrong, agents)
    elif request.operation not in ("CREATE", "UPDATE", "DELETE"):
        wrong = f"{shown(request.operation)} is not allowed"
        judge.deny(PolicyReason.OPERATION_NOT_ALLOWED, "", wrong, "CREATE, UPDATE, DELETE")
    elif (
        request.namespace not in judge.spec.targetNamespaces
        or request.namespace in facts.reserved_namespaces
    ) and request.operation != "DELETE":
        wrong = f"{shown(request.namespace)} is not allowed"
        allowed = listed(judge.spec.targetNamespaces)
        judge.deny(PolicyReason.TARGET_NOT_ALLOWED, "metadata.namespace", wrong, allowed)
    return not judge.denials


def _judge_delete(judge: Judge, request: Request) -> None:
    # A deletion of a whole collection names none, and one without the old object proves nothing.
    name = part(request.old_object, "metadata").get("name")
    if not request.name or name != request.name:
        judge.deny(
            PolicyReason.OPERATION_NOT_ALLOWED,
            "metadata.name",
            "no single agent is named",
            "one agent",
        )
        return
    _judge_spawner(judge, request)
    # An orphaned account is nobody's. What is deleted in the foreground the leader finishes
    # (`controller.lifecycle.finishing`): kagent can keep it for ever.
    if request.propagation not in ("", "Background", "Foreground"):
        wrong = f"{shown(request.propagation)} is not allowed; something of the agent could stay"
        judge.deny(
            PolicyReason.OPERATION_NOT_ALLOWED, "propagationPolicy", wrong, "Background, Foreground"
        )


def _judge_spawner(judge: Judge, request: Request) -> None:
    if not is_spawned_by(request.subject, stamps_of(request.old_object)):
        wrong = f"{shown(request.name)} was not spawned by this subject"
        judge.deny(
            PolicyReason.NOT_SPAWNED, "metadata.name", wrong, "agents that it spawned itself"
        )


def _judge_write(
    judge: Judge, request: Request, policy: SpawnPolicy, taken: frozenset[str], facts: Facts
) -> Any:
    """Judge a CREATE or UPDATE; what is to be stored where nothing is wrong."""
    given = request.object
    metadata = part(given, "metadata")
    if large := too_large(
        {**given, "metadata": {**metadata, "managedFields": None}} if metadata else given
    ):
        judge.deny(PolicyReason.OBJECT_TOO_LARGE, "", large, "a smaller object")
        return None
    if not isinstance(given, dict):
        judge.malformed("", given, "an Agent")
        return None
    whole, judge.defaulted = completed(
        given, policy.spec, namespace=request.namespace, home=request.subject.namespace
    )
    judge.name = str(metadata.get("name"))
    judge.contexts = contexts_of(policy.spec, part(whole, "spec"))
    creating = request.operation == "CREATE"
    _judge_identity(judge, request, metadata, taken if creating else frozenset())
    if creating:
        judge_limits(judge, policy, request.subject, facts)
        _judge_occupied(judge, facts)
    else:
        _judge_spawner(judge, request)
        judge_depth(judge, policy, request.subject)
        judge_unchanged(judge, whole, request.old_object)
    digest = judge_template(judge, whole, facts)
    if creating:
        expected = _stamps(request, policy, metadata, digest, facts)
    else:
        expected = stamps_of(request.old_object)
        judge_origin(judge, expected, policy.key, digest)
    judge_stamps(judge, whole, expected, request, facts.now)
    _judge_fields(judge, without_constants(whole, request.old_object, expected))
    if judge.denials:
        return None
    if request.phase is Phase.VALIDATING:
        if whole != given:
            wrong = "it is not as the guard made it; something changed it in between"
            judge.deny(PolicyReason.NOT_AS_STAMPED, "", wrong)
        return None if judge.denials else given
    stored = copy.deepcopy(whole)
    expected.put_on(stored)
    return stored


def _judge_identity(
    judge: Judge, request: Request, metadata: dict[str, Any], taken: frozenset[str]
) -> None:
    given = request.object
    if given.get("apiVersion") != AGENT_API or given.get("kind") != AGENT_KIND:
        judge.deny(
            PolicyReason.RESOURCE_NOT_ALLOWED, "kind", "it is no Agent", f"{AGENT_API} {AGENT_KIND}"
        )
    name = metadata.get("name")
    judge_name(judge, name, taken)
    if request.name and name != request.name:
        wrong = f"{shown(name)} is not the name of the request"
        judge.deny(PolicyReason.NAME_NOT_ALLOWED, "metadata.name", wrong, shown(request.name))
    mutating = request.operation == "CREATE" and request.phase is Phase.MUTATING
    if mutating and request.name and metadata.get("generateName"):
        wrong = "a name is given as well, so that it has no effect"
        judge.deny(PolicyReason.NAME_NOT_ALLOWED, "metadata.generateName", wrong, "one of both")
    if metadata.get("namespace", request.namespace) != request.namespace:
        wrong = f"{shown(metadata.get('namespace'))} is not the namespace of the request"
        judge.deny(PolicyReason.TARGET_NOT_ALLOWED, "metadata.namespace", wrong, request.namespace)


def _judge_occupied(judge: Judge, facts: Facts) -> None:
    if facts.occupied:
        wrong = f"kagent would overwrite an object of this name: {', '.join(facts.occupied)}"
        judge.deny(PolicyReason.NAME_OCCUPIED, "metadata.name", wrong, "another name")


def _judge_fields(judge: Judge, manifest: Any) -> None:
    fields(
        judge,
        "",
        manifest,
        {
            "apiVersion": lambda *_: None,
            "kind": lambda *_: None,
            "metadata": judge_metadata,
            "spec": judge_spec,
        },
    )
    for needed in ("metadata", "spec"):
        if needed not in manifest:
            judge.malformed(needed, None, "an object")


def _stamps(
    request: Request, policy: SpawnPolicy, metadata: dict[str, Any], digest: str, facts: Facts
) -> Stamps:
    asked = part(metadata, "annotations").get(TTL)
    try:
        expires = expiry(facts.now, lifetime(policy, asked))
    except (ValueError, OverflowError):
        # No time at all: the rule of the annotation has refused it.
        expires = facts.now
    return new_stamps(
        request.subject,
        policy=policy.key,
        namespace=request.namespace,
        expires=expires,
        digest=digest,
    )
