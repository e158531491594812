"""The decision on changes and deletions: only of what the subject spawned, judged like a new agent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts
from kit.spawning import (
    ANNOTATIONS,
    CHILD,
    LEAD,
    NOW,
    POLICY,
    VALIDATING,
    create,
    declarative,
    edited,
    policy,
    reasons,
    request,
    spawned,
    update,
)

CHANGES: dict[str, tuple[str, Any, Reason]] = {
    "depth": (f'{ANNOTATIONS}["hotpeers.dev/depth"]', "0", PolicyReason.STAMP_FORGED),
    "expiry": (
        f'{ANNOTATIONS}["hotpeers.dev/expires-at"]',
        "2026-11-01T12:30:01Z",
        PolicyReason.STAMP_FORGED,
    ),
    "policy": (f'{ANNOTATIONS}["hotpeers.dev/policy"]', "team/wide", PolicyReason.STAMP_FORGED),
    "spawner": (f'{ANNOTATIONS}["hotpeers.dev/spawned-by"]', "team/x", PolicyReason.STAMP_FORGED),
    "digest": (f'{ANNOTATIONS}["hotpeers.dev/template-digest"]', "x", PolicyReason.STAMP_FORGED),
    "peer": ('metadata.labels["hotpeers.dev/peer"]', "false", PolicyReason.STAMP_FORGED),
    "spawned": ('metadata.labels["hotpeers.dev/spawned"]', "no", PolicyReason.STAMP_FORGED),
    "ttl": (f'{ANNOTATIONS}["hotpeers.dev/ttl"]', "1h", PolicyReason.CHANGED),
    "uid": ("metadata.uid", "other", PolicyReason.CHANGED),
    "finalizers": ("metadata.finalizers", ["x/y"], PolicyReason.CHANGED),
    "owner": ("metadata.ownerReferences", [], PolicyReason.CHANGED),
    "owner's uid": ("metadata.ownerReferences[0].uid", "x", PolicyReason.CHANGED),
    "owner controls": ("metadata.ownerReferences[0].controller", True, PolicyReason.CHANGED),
    "status": (
        "status.conditions",
        [{"type": "Ready", "status": "True"}],
        PolicyReason.FIELD_FORBIDDEN,
    ),
    "account": (
        "spec.declarative.deployment.serviceAccountName",
        "lead",
        PolicyReason.FIELD_FORBIDDEN,
    ),
    "privilege": (
        "spec.declarative.deployment.securityContext.allowPrivilegeEscalation",
        True,
        PolicyReason.FIELD_FORBIDDEN,
    ),
    "resources": (
        "spec.declarative.deployment.resources.limits.cpu",
        "64",
        PolicyReason.RESOURCES_EXCEEDED,
    ),
    "model": ("spec.declarative.modelConfig", "admin", PolicyReason.MODEL_NOT_ALLOWED),
    "audience": ("spec.allowedNamespaces", {"from": "All"}, PolicyReason.FIELD_FORBIDDEN),
}


@pytest.mark.parametrize("name", CHANGES)
def test_update_is_judged_like_a_new_object(name: str) -> None:
    path, value, reason = CHANGES[name]
    old = spawned()
    for phase in (request(old).phase, VALIDATING):
        decision = update(edited(old, (path, value)), old, phase=phase)
        assert reason in reasons(decision), decision.message


def test_update_that_is_allowed_keeps_all_stamps() -> None:
    old = spawned()
    changed = update(edited(declarative(), ("spec.description", "new")), old)
    assert changed.allowed, changed.message
    for key in ("annotations", "labels", "ownerReferences"):
        assert changed.object["metadata"][key] == old["metadata"][key]
    later = update(
        edited(declarative(), ("spec.description", "new")),
        old,
        facts=Facts(now=NOW + timedelta(hours=9)),
    )
    assert later.object == changed.object


def test_update_leaves_finalizers_and_deletion_as_they_are() -> None:
    old = spawned()
    old["metadata"] |= {"finalizers": ["x/y"], "deletionTimestamp": "2026-11-01T12:00:00Z"}
    assert update(old, old).allowed
    removed = edited(old, ("metadata.finalizers", []))
    assert not update(removed, old).allowed


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
def test_only_what_it_spawned(operation: str) -> None:
    mine = spawned()
    foreign = [
        declarative(),
        edited(mine, (f'{ANNOTATIONS}["hotpeers.dev/spawned-by-uid"]', "earlier-lead")),
        edited(mine, (f'{ANNOTATIONS}["hotpeers.dev/spawned-by"]', "team/other")),
        edited(mine, (f'{ANNOTATIONS}["hotpeers.dev/spawned-by-serviceaccount"]', "x/lead")),
        edited(mine, ('metadata.labels["hotpeers.dev/spawned"]', "false")),
        None,
        {},
        [],
    ]
    for old in foreign:
        given = mine if operation == "UPDATE" else None
        decision = create(
            given, operation=operation, old_object=old, name="worker-a", namespace="team"
        )
        assert not decision.allowed
    siblings = create(
        mine if operation == "UPDATE" else None,
        operation=operation,
        old_object=mine,
        name="worker-a",
        namespace="team",
        subject=CHILD,
    )
    assert not siblings.allowed


def test_collection_is_not_deleted() -> None:
    for name in ("", "other"):
        decision = create(None, operation="DELETE", old_object=spawned(), name=name)
        assert not decision.allowed


@pytest.mark.parametrize("propagation", ["Orphan", "foreground", "background", "x"])
def test_deletion_that_leaves_something_of_the_agent_is_refused(propagation: str) -> None:
    own = {"operation": "DELETE", "old_object": spawned(), "name": "worker-a"}
    for harmless in ("", "Background", "Foreground"):
        assert create(None, **own, propagation=harmless).allowed
    decision = create(None, **own, propagation=propagation)
    assert [(one.reason, one.path) for one in decision.denials] == [
        (PolicyReason.OPERATION_NOT_ALLOWED, "propagationPolicy")
    ]


def test_subject_without_a_uid_owns_no_agent() -> None:
    nameless = replace(LEAD, agent_uid="")
    made = create(declarative(), subject=nameless).object
    assert not create(
        None, operation="DELETE", old_object=made, name="worker-a", subject=nameless
    ).allowed


def test_agent_is_updated_under_the_policy_that_it_was_made_under() -> None:
    wide = policy("wide", modelConfigs=["small", "admin"])
    old = spawned()
    changed = edited(old, ("spec.declarative.modelConfig", "admin"))
    assert not update(changed, old, POLICY, wide).allowed


def test_update_is_refused_once_the_policy_is_less_deep() -> None:
    old = spawned()
    deeper = replace(LEAD, depth=2)
    assert PolicyReason.TOO_DEEP in reasons(update(old, old, subject=deeper))
