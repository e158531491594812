"""The decision on one request of a governed subject under the existing SpawnPolicies."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..base.parts import part
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
from .rules.agent import check_spec
from .rules.defaults import completed
from .rules.events import ALLOWED, is_own_event
from .rules.lifecycle import check_origin, check_stamps, check_unchanged, without_constants
from .rules.limits import check_depth, check_limits, lifetime
from .rules.metadata import check_metadata, check_name, matches
from .rules.naming import named
from .rules.reports import is_own_report
from .rules.reviews import is_self_review
from .rules.security import contexts_of
from .rules.size import too_large
from .rules.template import check_template
from .rules.walk import Checker, fields
from .schema.policy import SpawnPolicy
from .stamps import TTL, Stamps, expiry, is_spawned_by, new_stamps, stamps_of

_MAX_UNMATCHED = 3
"""Number of policies that are checked if no policy covers the name and namespace of a request."""


def decide(request: Request, policies: Sequence[SpawnPolicy], facts: Facts) -> Decision:
    """Decide on a request of a governed subject.

    One policy must allow the whole request: two policies that each allow a part of it do not add up.
    If any governing policy is enforced, policies in audit mode are ignored. A request without a
    governing policy is denied, because callers pass requests of governed subjects only.
    """
    if is_own_event(request) or is_own_report(request) or is_self_review(request):
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
    candidates = sorted(enforced or governing, key=lambda one: bool(one.broken))
    if not enforced:
        # In audit mode the guard does not name or stamp the object, so there are no stamps to check.
        name = "" if request.operation == "CREATE" else request.name
        request = replace(request, phase=Phase.MUTATING, name=name)
    decisions: list[Decision] = []
    # A policy for other names or namespaces never allows this request. If all policies are of that
    # kind, the first few are checked for the reasons of the denial.
    for one in [one for one in candidates if _is_near(request, one)] or candidates[:_MAX_UNMATCHED]:
        decisions.append(_under(request, one, taken, facts))
        if decisions[-1].allowed:
            break
    # If no policy allows the request, the one with the fewest denials gives the most useful answer.
    best = min(decisions, key=lambda one: len(one.denials))
    if enforced:
        # If the guard generated the name, the object has changed even if nothing else has: return it, so
        # that the API server stores the name that was checked.
        is_new = best.allowed and best.object is None and request.object is not given
        return replace(best, object=request.object) if is_new else best
    return Decision(allowed=True, policy=best.policy, denials=best.denials)


def _is_near(request: Request, policy: SpawnPolicy) -> bool:
    name = part(request.object, "metadata").get("name")
    return request.namespace in policy.spec.targetNamespaces and any(
        isinstance(name, str) and matches(name, pattern) for pattern in policy.spec.names
    )


def governing_policies(subject: Subject, policies: Iterable[SpawnPolicy]) -> list[SpawnPolicy]:
    """The policies of a subject. A spawned agent has one: the policy that it was spawned under."""
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
    checker = Checker(
        policy.spec, request.namespace, request.subject.namespace, request.subject.depth + 1
    )
    manifest = None
    if _is_about_agents(checker, request, facts):
        if request.operation == "DELETE":
            _check_delete(checker, request)
        else:
            manifest = _check_write(checker, request, policy, taken, facts)
    denials = tuple(checker.denials)
    changed = manifest if not denials and manifest != request.object else None
    return Decision(not denials, policy.key, denials, changed)


def _is_about_agents(checker: Checker, request: Request, facts: Facts) -> bool:
    what = f"{request.resource}.{request.group}" if request.group else request.resource
    agents = f"{AGENT_RESOURCE}.{AGENT_GROUP}/{AGENT_VERSION}"
    if (request.group, request.resource, request.version) != (
        AGENT_GROUP,
        AGENT_RESOURCE,
        AGENT_VERSION,
    ):
        wrong = f"{shown(f'{what}/{request.version}')} may not be written"
        allowed = f"{agents}; {ALLOWED}" if request.resource == "events" else agents
        checker.deny(PolicyReason.RESOURCE_NOT_ALLOWED, "", wrong, allowed)
    elif request.subresource:
        wrong = f"the subresource {shown(request.subresource)} may not be written"
        checker.deny(PolicyReason.RESOURCE_NOT_ALLOWED, "", wrong, agents)
    elif request.operation not in ("CREATE", "UPDATE", "DELETE"):
        wrong = f"{shown(request.operation)} is not allowed"
        checker.deny(PolicyReason.OPERATION_NOT_ALLOWED, "", wrong, "CREATE, UPDATE, DELETE")
    elif (
        request.namespace not in checker.spec.targetNamespaces
        or request.namespace in facts.reserved_namespaces
    ) and request.operation != "DELETE":
        wrong = f"{shown(request.namespace)} is not allowed"
        allowed = listed(checker.spec.targetNamespaces)
        checker.deny(PolicyReason.TARGET_NOT_ALLOWED, "metadata.namespace", wrong, allowed)
    return not checker.denials


def _check_delete(checker: Checker, request: Request) -> None:
    # A deletecollection request has no name. Without the old object, the spawner cannot be verified.
    name = part(request.old_object, "metadata").get("name")
    if not request.name or name != request.name:
        checker.deny(
            PolicyReason.OPERATION_NOT_ALLOWED,
            "metadata.name",
            "no single agent is named",
            "one agent",
        )
        return
    _check_spawner(checker, request)
    # `Orphan` would leave the agent's ServiceAccount behind without an owner. `Foreground` is allowed:
    # kagent can block such a deletion for ever, and the leader completes it
    # (`controller.lifecycle.finishing`).
    if request.propagation not in ("", "Background", "Foreground"):
        wrong = f"{shown(request.propagation)} is not allowed; something of the agent could stay"
        checker.deny(
            PolicyReason.OPERATION_NOT_ALLOWED, "propagationPolicy", wrong, "Background, Foreground"
        )


def _check_spawner(checker: Checker, request: Request) -> None:
    if not is_spawned_by(request.subject, stamps_of(request.old_object)):
        wrong = f"{shown(request.name)} was not spawned by this subject"
        checker.deny(
            PolicyReason.NOT_SPAWNED, "metadata.name", wrong, "agents that it spawned itself"
        )


def _check_write(
    checker: Checker, request: Request, policy: SpawnPolicy, taken: frozenset[str], facts: Facts
) -> Any:
    """Checker a CREATE or UPDATE. Returns the object to store, or None if anything is denied."""
    given = request.object
    metadata = part(given, "metadata")
    if large := too_large(
        {**given, "metadata": {**metadata, "managedFields": None}} if metadata else given
    ):
        checker.deny(PolicyReason.OBJECT_TOO_LARGE, "", large, "a smaller object")
        return None
    if not isinstance(given, dict):
        checker.malformed("", given, "an Agent")
        return None
    whole, checker.defaulted = completed(
        given, policy.spec, namespace=request.namespace, home=request.subject.namespace
    )
    checker.name = str(metadata.get("name"))
    checker.contexts = contexts_of(policy.spec, part(whole, "spec"))
    creating = request.operation == "CREATE"
    _check_identity(checker, request, metadata, taken if creating else frozenset())
    if creating:
        check_limits(checker, policy, request.subject, facts)
        _check_occupied(checker, facts)
    else:
        _check_spawner(checker, request)
        check_depth(checker, policy, request.subject)
        check_unchanged(checker, whole, request.old_object)
    digest = check_template(checker, whole, facts)
    if creating:
        expected = _stamps(request, policy, metadata, digest, facts)
    else:
        expected = stamps_of(request.old_object)
        check_origin(checker, expected, policy.key, digest)
    check_stamps(checker, whole, expected, request, facts.now)
    _check_fields(checker, without_constants(whole, request.old_object, expected))
    if checker.denials:
        return None
    if request.phase is Phase.VALIDATING:
        if whole != given:
            wrong = "it is not as the guard made it; something changed it in between"
            checker.deny(PolicyReason.NOT_AS_STAMPED, "", wrong)
        return None if checker.denials else given
    stored = copy.deepcopy(whole)
    expected.put_on(stored)
    return stored


def _check_identity(
    checker: Checker, request: Request, metadata: dict[str, Any], taken: frozenset[str]
) -> None:
    given = request.object
    if given.get("apiVersion") != AGENT_API or given.get("kind") != AGENT_KIND:
        checker.deny(
            PolicyReason.RESOURCE_NOT_ALLOWED, "kind", "it is no Agent", f"{AGENT_API} {AGENT_KIND}"
        )
    name = metadata.get("name")
    check_name(checker, name, taken)
    if request.name and name != request.name:
        wrong = f"{shown(name)} is not the name of the request"
        checker.deny(PolicyReason.NAME_NOT_ALLOWED, "metadata.name", wrong, shown(request.name))
    mutating = request.operation == "CREATE" and request.phase is Phase.MUTATING
    if mutating and request.name and metadata.get("generateName"):
        wrong = "a name is given as well, so that it has no effect"
        checker.deny(PolicyReason.NAME_NOT_ALLOWED, "metadata.generateName", wrong, "one of both")
    if metadata.get("namespace", request.namespace) != request.namespace:
        wrong = f"{shown(metadata.get('namespace'))} is not the namespace of the request"
        checker.deny(
            PolicyReason.TARGET_NOT_ALLOWED, "metadata.namespace", wrong, request.namespace
        )


def _check_occupied(checker: Checker, facts: Facts) -> None:
    if facts.occupied:
        wrong = f"kagent would overwrite an object of this name: {', '.join(facts.occupied)}"
        checker.deny(PolicyReason.NAME_OCCUPIED, "metadata.name", wrong, "another name")


def _check_fields(checker: Checker, manifest: Any) -> None:
    fields(
        checker,
        "",
        manifest,
        {
            "apiVersion": lambda *_: None,
            "kind": lambda *_: None,
            "metadata": check_metadata,
            "spec": check_spec,
        },
    )
    for needed in ("metadata", "spec"):
        if needed not in manifest:
            checker.malformed(needed, None, "an object")


def _stamps(
    request: Request, policy: SpawnPolicy, metadata: dict[str, Any], digest: str, facts: Facts
) -> Stamps:
    asked = part(metadata, "annotations").get(TTL)
    try:
        expires = expiry(facts.now, lifetime(policy, asked))
    except (ValueError, OverflowError):
        # This is not a duration. The rule of the annotation denies it.
        expires = facts.now
    return new_stamps(
        request.subject,
        policy=policy.key,
        namespace=request.namespace,
        expires=expires,
        digest=digest,
    )
