"""The decision on a new agent: subjects, limits, stamps, modes."""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts, Usage
from hotpeers.spawnpolicy.rules.size import MAX_NODES
from kit.spawning import (
    ANNOTATIONS,
    CHILD,
    DIGEST,
    LEAD,
    NOW,
    POLICY,
    TOOLS,
    VALIDATING,
    byo,
    create,
    declarative,
    edited,
    policy,
    reasons,
    request,
    spawned,
    update,
)

LIST = "spec.declarative.tools"


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
    made = create(declarative(), tools, subject=TOOLS).object
    assert "hotpeers.dev/spawned-by" not in made["metadata"]["annotations"]
    assert made["metadata"]["ownerReferences"][0]["kind"] == "ServiceAccount"
    assert update(declarative(), made, tools, subject=TOOLS).allowed
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


def test_denial_of_a_reserved_key_names_it_as_reserved() -> None:
    taken = edited(declarative(), ('metadata.annotations["eks.amazonaws.com/role-arn"]', "x"))
    assert "no policy can allow it" in create(taken).message


def test_deep_object_is_refused() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    found = create(edited(declarative(), ("spec.declarative.context", deep)))
    assert reasons(found) == {PolicyReason.OBJECT_TOO_LARGE}
