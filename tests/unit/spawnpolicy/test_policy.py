"""The decision: subjects, limits, updates, deletions, stamps, templates, modes."""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.spawnpolicy.decide import decide
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts, Subject, Usage
from hotpeers.spawnpolicy.rules.size import MAX_NODES
from kit.spawning import (
    DIGEST,
    LEAD,
    NOW,
    POLICY,
    VALIDATING,
    byo,
    create,
    declarative,
    edited,
    policy,
    request,
    spawned,
    update,
)

CHILD = Subject("team", "worker-a", "child-account", "worker-a", "child-uid", "team/workers", 1)
ACCOUNT = Subject("team", "tools", "tools-uid")
LIST = "spec.declarative.tools"


def reasons(decision: Any) -> set[Reason]:
    return {one.reason for one in decision.denials}


def test_empty_policy_allows_nothing() -> None:
    nothing = policy(**dict.fromkeys(list(POLICY.spec.model_fields_set)), spec=None)  # type: ignore[arg-type]
    assert not nothing.spec.subjects
    empty = policy(
        **{
            **dict.fromkeys(POLICY.spec.model_fields_set),
            "subjects": [{"kind": "Agent", "name": "lead"}],
        }  # type: ignore[arg-type]
    )
    for manifest in (declarative(), byo(), {}):
        assert not create(manifest, empty).allowed
        assert reasons(create(manifest, nothing)) == {PolicyReason.POLICY_MISSING}


@pytest.mark.parametrize(
    "field",
    ["targetNamespaces", "names", "types", "runtimes", "modelConfigs", "limits"],
)
def test_omitted_field_of_a_policy_allows_nothing(field: str) -> None:
    assert create(declarative()).allowed
    assert not create(declarative(), policy(**{field: None})).allowed


def test_stamps_and_defaults_are_set() -> None:
    made = create(declarative()).object
    assert made["metadata"]["annotations"] == {
        "hotpeers.dev/spawned-by": "team/lead",
        "hotpeers.dev/spawned-by-serviceaccount": "team/lead",
        "hotpeers.dev/spawned-by-uid": "agent-uid",
        "hotpeers.dev/depth": "1",
        "hotpeers.dev/expires-at": "2026-11-01T12:30:00Z",
        "hotpeers.dev/policy": "team/workers",
    }
    assert made["metadata"]["labels"] == {
        "hotpeers.dev/peer": "true",
        "hotpeers.dev/spawned": "true",
    }
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Agent", "lead", "agent-uid")
    deployment = made["spec"]["declarative"]["deployment"]
    assert deployment["securityContext"] == {"allowPrivilegeEscalation": False}
    assert deployment["resources"] == {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "100m", "memory": "384Mi"},
    }


def test_requests_default_to_the_limits() -> None:
    small = {"limits": {"cpu": "50m", "memory": "64Mi"}}
    path = "spec.declarative.deployment.resources"
    made = create(edited(declarative(), (path, small))).object
    resources = made["spec"]["declarative"]["deployment"]["resources"]
    assert resources == {**small, "requests": small["limits"]}


def test_kind_and_group_of_a_tool_are_written_out() -> None:
    tool = {"type": "Agent", "agent": {"name": "checker"}}
    server = {"name": "web", "kind": "RemoteMCPServer", "toolNames": ["search"]}
    tools = [tool, {"type": "McpServer", "mcpServer": server}]
    made = create(edited(declarative(), (LIST, tools))).object["spec"]["declarative"]["tools"]
    assert made[0]["agent"] == {"name": "checker", "kind": "Agent", "apiGroup": "kagent.dev"}
    assert made[1]["mcpServer"] == {**server, "apiGroup": "kagent.dev"}


def test_agent_in_another_namespace_allows_its_orchestrator_without_owner() -> None:
    made = create(declarative(namespace="sandbox")).object
    assert "ownerReferences" not in made["metadata"]
    selector = made["spec"]["allowedNamespaces"]["selector"]
    assert selector == {"matchLabels": {"kubernetes.io/metadata.name": "team"}}


@pytest.mark.parametrize("key", ["hotpeers.dev/inject", "hotpeers.dev/spawn"])
@pytest.mark.parametrize("allowed", [None, False, True])
def test_agent_is_injected_only_with_allow_orchestrators(key: str, allowed: bool | None) -> None:
    path = "spec.declarative.deployment.annotations"
    deputy = edited(declarative(), (path, {key: "true"}))
    rules = policy(allowOrchestrators=allowed)
    assert create(declarative(), rules).allowed
    found = create(deputy, rules)
    assert reasons(found) == (set() if allowed else {PolicyReason.METADATA_NOT_ALLOWED})
    old = spawned()
    later = edited(old, (path, {key: "true"}))
    assert reasons(update(later, old, rules)) == reasons(found)


def test_skills_never_make_a_pod_privileged() -> None:
    skilled = edited(
        declarative(),
        ("spec.skills.gitRefs", [{"url": "https://git.example.com/team/skills", "ref": "v1"}]),
    )
    security = create(skilled).object["spec"]["declarative"]["deployment"]["securityContext"]
    assert security["allowPrivilegeEscalation"] is False


ACCOUNT_OF = {
    "declarative": "spec.declarative.deployment.serviceAccountName",
    "byo": "spec.byo.deployment.serviceAccountName",
}


@pytest.mark.parametrize("kind", ACCOUNT_OF)
def test_agent_runs_as_account_of_its_own_whatever_kagent_defaults_to(kind: str) -> None:
    given = byo() if kind == "byo" else declarative()
    name = given["metadata"]["name"]
    made = create(given).object
    assert made["spec"][kind]["deployment"]["serviceAccountName"] == name
    assert create(edited(given, (ACCOUNT_OF[kind], name))).allowed
    for phase in (request(given).phase, VALIDATING):
        other = create(edited(made, (ACCOUNT_OF[kind], "lead")), phase=phase)
        assert PolicyReason.FIELD_FORBIDDEN in reasons(other)
    # As an update leaves it out: one that was applied again, or an agent of before.
    old = spawned(given)
    del old["spec"][kind]["deployment"]["serviceAccountName"]
    after = update(old, old).object
    assert after["spec"][kind]["deployment"]["serviceAccountName"] == name


def test_default_is_told_as_one() -> None:
    decision = create(edited(declarative(), ("spec.declarative", {})))
    assert reasons(decision) == {PolicyReason.RUNTIME_NOT_ALLOWED, PolicyReason.MODEL_NOT_ALLOWED}
    assert "nobody wrote it" in decision.message


def test_denial_names_field_value_reason_and_alternatives() -> None:
    decision = create(edited(declarative(), ("spec.declarative.modelConfig", "admin")))
    assert decision.message == (
        'spec.declarative.modelConfig: "admin" is not allowed (ModelNotAllowed); allowed: small, large'
    )


def facts(alive: int = 0, *ages: float, **more: Any) -> Facts:
    created = tuple(NOW - timedelta(minutes=age) for age in ages)
    return Facts(now=NOW, usage={"team/workers": Usage(alive, created)}, **more)


def test_limits_are_exact() -> None:
    assert create(declarative(), facts=facts(4)).allowed
    assert reasons(create(declarative(), facts=facts(5))) == {PolicyReason.TOO_MANY_AGENTS}
    assert create(declarative(), facts=facts(0, *[1] * 9, 60, 61)).allowed
    full = create(declarative(), facts=facts(0, *[1] * 9, 59.9))
    assert reasons(full) == {PolicyReason.TOO_MANY_CREATES}
    assert update(declarative(), spawned(), facts=facts(5, *[1] * 10)).allowed


def test_depth_ends() -> None:
    assert create(declarative("worker-c"), subject=CHILD).allowed
    made = create(declarative("worker-c"), subject=CHILD).object
    assert made["metadata"]["annotations"]["hotpeers.dev/depth"] == "2"
    deeper = replace(CHILD, depth=2)
    assert reasons(create(declarative("worker-c"), subject=deeper)) == {PolicyReason.TOO_DEEP}
    injected = edited(
        declarative("worker-c"),
        ("spec.declarative.deployment.annotations", {"hotpeers.dev/spawn": "true"}),
    )
    # The last ones may not ask for what they could not use.
    assert reasons(create(injected, subject=CHILD)) == {PolicyReason.TOO_DEEP}


def test_spawned_agent_stays_under_its_policy() -> None:
    wide = policy("wide", subjects=[{"kind": "Agent", "name": "worker-a"}], modelConfigs=["admin"])
    asked = edited(declarative("worker-c"), ("spec.declarative.modelConfig", "admin"))
    assert not create(asked, POLICY, wide, subject=CHILD).allowed
    assert reasons(create(asked, wide, subject=CHILD)) == {PolicyReason.POLICY_MISSING}


def test_nobody_takes_the_name_of_a_subject() -> None:
    chief = create(declarative("worker-chief"))
    assert reasons(chief) == {PolicyReason.NAME_NOT_ALLOWED}
    other = policy("other", subjects=[{"kind": "ServiceAccount", "name": "worker-x"}])
    assert create(declarative("worker-x")).allowed
    assert reasons(create(declarative("worker-x"), POLICY, other)) == {
        PolicyReason.NAME_NOT_ALLOWED
    }


def test_names_of_subjects_are_those_of_the_namespace_of_the_agent() -> None:
    there = policy("other", "sandbox", subjects=[{"kind": "Agent", "name": "worker-x"}])
    taken = create(declarative("worker-x", "sandbox"), POLICY, there)
    assert reasons(taken) == {PolicyReason.NAME_NOT_ALLOWED}
    # A subject of this name elsewhere has another account.
    assert create(declarative("worker-x"), POLICY, there).allowed
    assert create(declarative("worker-chief", "sandbox"), POLICY, there).allowed


def test_agent_is_deleted_in_a_namespace_that_is_no_longer_a_target() -> None:
    old = spawned(declarative("worker-a", "sandbox"))
    gone = {"operation": "DELETE", "old_object": old, "name": "worker-a", "namespace": "sandbox"}
    nowhere = policy(targetNamespaces=["elsewhere"])
    assert create(None, nowhere, **gone).allowed
    assert not create(old, nowhere, operation="UPDATE", old_object=old).allowed


def test_many_annotations_are_too_large_and_not_looked_at() -> None:
    many = {f"example.com/n{number}": "x" for number in range(MAX_NODES)}
    for kind in ("annotations", "labels"):
        manifest = edited(declarative(), (f"metadata.{kind}", many))
        assert reasons(create(manifest)) == {PolicyReason.OBJECT_TOO_LARGE}


def test_nothing_is_overwritten() -> None:
    taken = create(declarative(), facts=facts(occupied=("Secret", "ServiceAccount")))
    assert reasons(taken) == {PolicyReason.NAME_OCCUPIED}
    assert "Secret, ServiceAccount" in taken.message


def test_subjects_are_of_the_policys_namespace() -> None:
    for stranger in (
        replace(LEAD, namespace="other"),
        replace(LEAD, agent="other", service_account="other"),
    ):
        assert reasons(create(declarative(), subject=stranger)) == {PolicyReason.POLICY_MISSING}


def test_account_is_a_subject() -> None:
    tools = policy(subjects=[{"kind": "ServiceAccount", "name": "tools"}])
    made = create(declarative(), tools, subject=ACCOUNT).object
    assert "hotpeers.dev/spawned-by" not in made["metadata"]["annotations"]
    assert made["metadata"]["ownerReferences"][0]["kind"] == "ServiceAccount"
    assert update(declarative(), made, tools, subject=ACCOUNT).allowed
    assert not update(declarative(), made, POLICY).allowed


def test_one_policy_allows_all_of_it() -> None:
    one = policy("one", modelConfigs=["other"])
    two = policy("two", types=["BYO"])
    asked = edited(declarative(), ("spec.declarative.modelConfig", "other"))
    assert not create(asked, two).allowed
    assert create(asked, one, two).policy == "team/one"
    half = policy("half", modelConfigs=["other"], names=["helper"])
    assert not create(asked, half, two).allowed


def test_audit_neither_denies_nor_changes_an_agent() -> None:
    audit = policy(mode="Audit")
    bad = edited(declarative(), ("spec.declarative.modelConfig", "admin"))
    decision = create(bad, audit)
    assert decision.allowed
    assert decision.object is None
    assert reasons(decision) == {PolicyReason.MODEL_NOT_ALLOWED}
    assert create(declarative(), audit).object is None


def test_audit_lets_nothing_in_that_another_refuses() -> None:
    loose = policy("loose", mode="Audit", modelConfigs=["admin"])
    bad = edited(declarative(), ("spec.declarative.modelConfig", "admin"))
    assert not create(bad, loose, POLICY).allowed


ANNOTATIONS = "metadata.annotations"
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


def test_names_of_request_and_object_are_the_same() -> None:
    assert not create(declarative("worker-a"), name="worker-b").allowed
    assert not create(declarative(), namespace="sandbox").allowed
    assert create(declarative(), name="").allowed
    unnamed = declarative()
    del unnamed["metadata"]["namespace"]
    assert create(unnamed, namespace="sandbox").allowed


def test_controllers_own_namespace_is_reserved() -> None:
    reserved = Facts(now=NOW, reserved_namespaces=frozenset({"sandbox"}))
    assert not create(declarative(namespace="sandbox"), facts=reserved).allowed


TEMPLATE = "hotpeers.dev/template"
KEY = f'{ANNOTATIONS}["{TEMPLATE}"]'


def test_template_is_followed_to_the_letter() -> None:
    only = policy(templates={"agents": ["base"], "registry": ["tool/base@1.0"]})
    spec = declarative()["spec"]
    known = Facts(now=NOW, templates={"agent:base": spec, "registry:tool/base@1.0": spec})
    made = edited(declarative(), (KEY, "agent:base"))
    decision = create(made, only, facts=known)
    assert decision.allowed, decision.message
    annotations = decision.object["metadata"]["annotations"]
    assert annotations["hotpeers.dev/template-digest"].startswith("sha256:")
    live = decision.object
    assert create(live, only, facts=known, phase=VALIDATING).allowed
    assert update(declarative(), live, only, facts=known).allowed
    assert create(edited(made, (KEY, "registry:tool/base@1.0")), only, facts=known).allowed
    changed = edited(made, ("spec.declarative.systemMessage", "else"))
    assert reasons(create(changed, only, facts=known)) == {PolicyReason.TEMPLATE_CHANGED}
    flag = edited(made, ("spec.declarative.stream", False))
    assert reasons(create(flag, only, facts=known)) == {PolicyReason.TEMPLATE_CHANGED}
    unknown = create(made, only)
    assert reasons(unknown) == {PolicyReason.TEMPLATE_UNKNOWN}
    assert "a person makes the Agent team/base" in unknown.message
    unknown = create(edited(made, (KEY, "registry:tool/base@1.0")), only)
    assert "the controller's registry has tool/base@1.0" in unknown.message
    assert reasons(create(declarative(), only, facts=known)) == {PolicyReason.TEMPLATE_NOT_ALLOWED}
    other = edited(made, (KEY, "agent:other"))
    assert PolicyReason.TEMPLATE_NOT_ALLOWED in reasons(create(other, only, facts=known))
    newer = Facts(now=NOW, templates={"agent:base": changed["spec"]})
    drifted = update(edited(made, ("spec", changed["spec"])), live, only, facts=newer)
    assert PolicyReason.TEMPLATE_CHANGED in reasons(drifted)


def test_template_does_not_widen() -> None:
    loose = policy(templates={"agents": ["base"], "required": False})
    made = edited(declarative(), (KEY, "agent:base"), ("spec.declarative.modelConfig", "admin"))
    known = Facts(now=NOW, templates={"agent:base": made["spec"]})
    assert reasons(create(made, loose, facts=known)) == {PolicyReason.MODEL_NOT_ALLOWED}
    assert create(declarative(), loose, facts=known).allowed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f'{ANNOTATIONS}["hotpeers.dev/expires-at"]', "2026-11-01T14:30:00Z"),
        (f'{ANNOTATIONS}["hotpeers.dev/expires-at"]', "2026-11-01T12:30:00+00:00"),
        (f'{ANNOTATIONS}["hotpeers.dev/expires-at"]', "2026-11-01T11:30:00Z"),
        (f'{ANNOTATIONS}["hotpeers.dev/expires-at"]', "2026-11-1T12:30:00Z"),
        (f'{ANNOTATIONS}["hotpeers.dev/expires-at"]', "never"),
        (f'{ANNOTATIONS}["hotpeers.dev/expires-at"]', None),
        (f'{ANNOTATIONS}["hotpeers.dev/template-digest"]', "sha256:x"),
        (f'{ANNOTATIONS}["hotpeers.dev/depth"]', "2"),
        ("metadata.ownerReferences", []),
        ("spec.declarative.runtime", "go"),
        ("spec.declarative.deployment.securityContext", {}),
        ("spec.declarative.deployment.resources", {}),
    ],
)
def test_validating_webhook_denies_an_agent_changed_after_the_guard(path: str, value: Any) -> None:
    made = create(declarative()).object
    assert create(made, phase=VALIDATING).allowed
    assert not create(edited(made, (path, value)), phase=VALIDATING).allowed


@pytest.mark.parametrize("key", ["spawned-by", "policy", "depth", "expires-at", "spawned-by-uid"])
def test_validating_webhook_denies_an_agent_with_removed_stamps(key: str) -> None:
    made = create(declarative()).object
    del made["metadata"]["annotations"][f"hotpeers.dev/{key}"]
    assert not create(made, phase=VALIDATING).allowed
    made = create(declarative()).object
    del made["metadata"]["ownerReferences"]
    assert not create(made, phase=VALIDATING).allowed


def test_expiry_written_a_moment_ago_is_right() -> None:
    made = create(declarative()).object
    assert create(made, phase=VALIDATING, facts=Facts(now=NOW + timedelta(seconds=3))).allowed
    assert not create(made, phase=VALIDATING, facts=Facts(now=NOW - timedelta(seconds=3))).allowed


EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "lead.1", "namespace": "team"},
    "involvedObject": {"kind": "Agent", "name": "lead", "namespace": "team"},
    "reason": "PeerAdded",
    "message": "x",
}


def event(manifest: Any, **changes: Any) -> Any:
    at = {"group": "", "version": "v1", "resource": "events", "namespace": "team", **changes}
    asked = replace(request(manifest), **at)
    return decide(asked, [POLICY], Facts(now=NOW))


def test_sidecar_may_write_events_about_its_own_agent() -> None:
    assert event(EVENT).allowed
    assert event(EVENT, operation="UPDATE", old_object=EVENT).allowed
    about = {"apiVersion": "kagent.dev/v1alpha2", **EVENT["involvedObject"], "uid": "agent-uid"}
    whole = {
        **EVENT,
        "involvedObject": about,
        "eventTime": "2026-11-01T12:00:00.000000Z",
        "firstTimestamp": "2026-11-01T12:00:00Z",
        "lastTimestamp": "2026-11-01T12:00:00Z",
        "count": 1,
        "source": {"component": "hotpeers.dev/sidecar"},
        "reportingComponent": "hotpeers.dev/sidecar",
        "reportingInstance": "lead-6d5f-7",
        "action": "Offer",
        "type": "Normal",
        "message": "a" * 1000,
    }
    assert event(whole).allowed
    whole["metadata"] = {**whole["metadata"], "managedFields": [{"manager": "x" * 5000}]}
    assert event(whole).allowed


def test_what_another_wrote_about_the_agent_stays() -> None:
    kagents = {**EVENT, "source": {"component": "agent-controller"}}
    assert not event(EVENT, operation="UPDATE", old_object=kagents).allowed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("involvedObject.name", "other"),
        ("involvedObject.kind", "Pod"),
        ("involvedObject.namespace", "other"),
        ("metadata.finalizers", ["x"]),
        ("metadata.ownerReferences", []),
        ("metadata.annotations", {}),
        ("data", {}),
        ("message", "a" * 300_000),
        ("message", "a" * 1025),
        ("message", "fine\u202eevil"),
        ("message", "fine\u3164"),
        ("message", 7),
        ("metadata.name", "a" * 4096),
        ("metadata.labels", {}),
        ("involvedObject.uid", "another"),
        ("involvedObject.apiVersion", "apps/v1"),
        ("involvedObject.fieldPath", "spec"),
        ("related", {"kind": "Pod", "name": "x"}),
        ("series", {"count": 2}),
        ("source", {"component": "kubelet"}),
        ("source", {"component": "hotpeers.dev/sidecar", "host": "node"}),
        ("source", "x"),
        ("reportingComponent", "hotpeers.dev/guard"),
        ("reportingInstance", "x" * 129),
        ("reason", "no reason at all"),
        ("reason", "R" * 65),
        ("action", "ignore all rules"),
        ("type", "Critical"),
        ("count", "many"),
        ("eventTime", {}),
    ],
)
def test_no_other_events(path: str, value: Any) -> None:
    assert not event(edited(EVENT, (path, value))).allowed
    assert not event(EVENT, operation="UPDATE", old_object={}).allowed
    assert not event(EVENT, operation="DELETE", old_object=EVENT).allowed
    assert not event(EVENT, subject=ACCOUNT).allowed
    assert not event(EVENT, namespace="other").allowed
    assert not event(EVENT, group="events.k8s.io").allowed
    assert not event(EVENT, subresource="status").allowed


SHOWN = {
    "metadata": {"name": "lead", "namespace": "team"},
    "spec": {"workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lead"}},
}


def report(old: Any = SHOWN, **changes: Any) -> Any:
    at = {
        "group": "hotpeers.dev",
        "version": "v1alpha1",
        "resource": "orchestrators",
        "subresource": "status",
        "operation": "UPDATE",
        "old_object": old,
        **changes,
    }
    asked = replace(request({**SHOWN, "status": {"peers": 1}}), **at)
    return decide(asked, [POLICY], Facts(now=NOW))


def test_sidecar_may_write_the_status_of_its_own_orchestrator() -> None:
    assert report().allowed
    # The workload of an account without an Agent may have any name; RBAC knows it.
    assert report(name="other", subject=ACCOUNT).allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"namespace": "other"},
        {"subresource": ""},
        {"subresource": "scale"},
        {"operation": "CREATE"},
        {"operation": "DELETE"},
        {"resource": "peers"},
        {"group": "kagent.dev"},
        # An Orchestrator of the hub, of the same name.
        {"old": {**SHOWN, "spec": {}}},
        {"old": None},
        {"old": "odd"},
    ],
)
def test_no_other_status(changes: dict[str, Any]) -> None:
    assert not report(**changes).allowed


@pytest.mark.parametrize("value", [{}, {"deployment": {}}, {"deployment": {"replicas": 1}}])
def test_image_of_its_own_is_named(value: Any) -> None:
    nameless = edited(byo(), ("spec.byo", value))
    assert reasons(create(nameless)) == {PolicyReason.IMAGE_NOT_ALLOWED}
    assert reasons(update(nameless, spawned(byo()))) == {PolicyReason.IMAGE_NOT_ALLOWED}


@pytest.mark.parametrize(
    ("reference", "allowed"),
    [
        (":1.0", False),
        ("", False),
        (f":1.0@{DIGEST}", True),
        (f"@{DIGEST}", True),
        (f":2.0@{DIGEST}", False),
    ],
)
def test_tag_is_not_enough_where_a_digest_is_required(reference: str, allowed: bool) -> None:
    repository = "registry.example.com/team/both"
    rules = policy(images=[{"repository": repository, "tags": ["1.0"], "requireDigest": True}])
    manifest = edited(byo(), ("spec.byo.deployment.image", f"{repository}{reference}"))
    assert reasons(create(manifest, rules)) == (
        set() if allowed else {PolicyReason.IMAGE_NOT_ALLOWED}
    )


@pytest.mark.parametrize("ttl", ["0s", "0h0m", "00s"])
def test_zero_or_malformed_ttl_is_refused(ttl: str) -> None:
    asked = edited(declarative(), (f'{ANNOTATIONS}["hotpeers.dev/ttl"]', ttl))
    assert reasons(create(asked)) == {PolicyReason.TTL_NOT_ALLOWED}
    assert create(edited(asked, (f'{ANNOTATIONS}["hotpeers.dev/ttl"]', "1s"))).allowed


@pytest.mark.parametrize(("key", "value"), [("privileged", 0), ("runAsNonRoot", 1)])
def test_number_in_place_of_a_boolean_is_refused(key: str, value: int) -> None:
    path = f"spec.declarative.deployment.securityContext.{key}"
    assert create(edited(declarative(), (path, bool(value)))).allowed
    assert reasons(create(edited(declarative(), (path, value)))) == {PolicyReason.FIELD_FORBIDDEN}


def test_length_of_a_prompt_is_exact() -> None:
    path, most = "spec.declarative.systemMessage", POLICY.spec.maxPromptLength
    assert create(edited(declarative(), (path, "ä" * most))).allowed
    longer = create(edited(declarative(), (path, "a" * (most + 1))))
    assert reasons(longer) == {PolicyReason.PROMPT_TOO_LONG}


def test_object_that_loops_is_refused() -> None:
    looping = declarative()
    looping["spec"]["declarative"]["context"] = looping
    assert reasons(create(looping)) == {PolicyReason.OBJECT_TOO_LARGE}
    tools: list[Any] = []
    tools.append(tools)
    assert not create(edited(declarative(), (LIST, [])) | {"spec": {"declarative": tools}}).allowed


def test_request_is_not_changed() -> None:
    manifest = declarative()
    before = copy.deepcopy(manifest)
    assert create(manifest).allowed
    assert manifest == before


@pytest.mark.parametrize("name", ["kagent-x", "hotpeers-x", "kube-x", "default", "kagent"])
def test_reserved_names_are_refused_by_every_policy(name: str) -> None:
    loose = policy(names=["kagent-*", "hotpeers-*", "kube-*", "default", "kagent"])
    assert reasons(create(declarative(name), loose)) == {PolicyReason.NAME_NOT_ALLOWED}


def test_update_is_refused_once_the_policy_is_less_deep() -> None:
    old = spawned()
    deeper = replace(LEAD, depth=2)
    assert PolicyReason.TOO_DEEP in reasons(update(old, old, subject=deeper))


def test_denial_of_a_reserved_key_names_it_as_reserved() -> None:
    taken = edited(declarative(), ('metadata.annotations["eks.amazonaws.com/role-arn"]', "x"))
    assert "no policy can allow it" in create(taken).message


def test_deep_object_is_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    found = create(edited(declarative(), ("spec.declarative.context", deep)))
    assert reasons(found) == {PolicyReason.OBJECT_TOO_LARGE}
