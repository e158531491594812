"""The corpus: nothing hostile is admitted, everything legitimate is."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotpeers.base.reasons import sentence_of
from hotpeers.model.reasons import ModelReason
from hotpeers.spawnpolicy.decide import decide
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts
from kit import hostile, legitimate
from kit.closure import outside
from kit.spawning import (
    LEAD,
    NOW,
    POLICY,
    VALIDATING,
    byo,
    create,
    declarative,
    edited,
    request,
    spawned,
    update,
)

HOSTILE = hostile.cases()
LEGITIMATE = legitimate.cases()
FIELDS = [
    line
    for line in (Path(__file__).parent / "kagent_fields.txt").read_text().splitlines()
    if not line.startswith("#")
]
# The fields of kagent that a policy can allow, listed independently of the guard.
ADMISSIBLE = {
    *("spec.type", "spec.description", "spec.version"),
    *("spec.declarative.runtime", "spec.declarative.modelConfig", "spec.declarative.stream"),
    "spec.declarative.systemMessage",
    *(f"spec.declarative.tools[].{one}" for one in ("type", "isolateSessions")),
    *(
        f"spec.declarative.tools[].mcpServer.{one}"
        for one in (
            "name",
            "namespace",
            "kind",
            "apiGroup",
            "toolNames[]",
            "requireApproval[]",
            "allowedHeaders[]",
        )
    ),
    *(f"spec.declarative.tools[].agent.{one}" for one in ("name", "namespace", "kind", "apiGroup")),
    *(
        f"spec.declarative.context.compaction.{one}"
        for one in (
            "compactionInterval",
            "overlapSize",
            "tokenThreshold",
            "eventRetentionSize",
            "summarizer.modelConfig",
        )
    ),
    *(
        f"spec.{kind}.deployment.{one}"
        for kind in ("declarative", "byo")
        for one in (
            *("replicas", "labels", "annotations", "imagePullPolicy", "env[].name", "env[].value"),
            *("resources.limits", "resources.requests"),
            *("securityContext.allowPrivilegeEscalation", "securityContext.privileged"),
            *("securityContext.runAsNonRoot", "securityContext.readOnlyRootFilesystem"),
        )
    ),
    "spec.byo.deployment.image",
    *("spec.skills.refs[]", "spec.skills.gitRefs[].url", "spec.skills.gitRefs[].ref"),
    *("spec.skills.gitRefs[].path", "spec.skills.gitRefs[].name"),
    *("spec.skills.s3Refs[].uri", "spec.skills.s3Refs[].region", "spec.skills.s3Refs[].name"),
    "spec.allowedNamespaces.from",
    *("spec.allowedNamespaces.selector.matchLabels",),
}
VALUES: tuple[Any, ...] = ("x", "", True, False, 0, 1, {}, [], {"a": "b"}, ["x"])


def test_corpus_has_its_minimum_size() -> None:
    assert len(HOSTILE) >= 250
    assert len(LEGITIMATE) >= 50


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifest_is_refused(name: str) -> None:
    manifest = HOSTILE[name]
    before = copy.deepcopy(manifest)
    decision = create(manifest)
    assert not decision.allowed
    assert decision.object is None
    assert decision.denials
    assert manifest == before
    for denial in decision.denials:
        assert sentence_of(denial.reason)
        assert "\n" not in str(denial)
        assert len(str(denial)) < 1200
        assert str(denial).isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifest_is_refused_after_it_was_mutated_too(name: str) -> None:
    assert not create(HOSTILE[name], phase=VALIDATING).allowed


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_update_is_refused(name: str) -> None:
    manifest = HOSTILE[name]
    spec = manifest.get("spec")
    is_byo = isinstance(spec, dict) and "byo" in spec and "declarative" not in spec
    base = byo("worker-a") if is_byo else declarative()
    old = spawned(base)
    right = json.loads(json.dumps(old["metadata"]))
    given = manifest.get("metadata")
    given = given if isinstance(given, dict) else {}
    for kind in ("labels", "annotations"):
        of = given.get(kind)
        if (
            isinstance(of, dict)
            and of
            and all(right[kind].get(key) == it for key, it in of.items())
        ):
            pytest.skip("it is what the guard wrote itself")
    changed = copy.deepcopy(manifest)
    if isinstance(changed.get("metadata"), dict) and str(given.get("name", "")).startswith(
        "worker-b"
    ):
        changed["metadata"]["name"] = "worker-a"
    assert not update(changed, old, name="worker-a", namespace="team").allowed


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_manifest_is_admitted(name: str) -> None:
    decision = create(LEGITIMATE[name])
    assert decision.allowed, decision.message
    assert not outside(decision.object)


@pytest.mark.parametrize("name", LEGITIMATE)
def test_admitted_manifest_lives_on(name: str) -> None:
    """The validating webhook finds it right, and it can be applied again, with and without stamps."""
    made = create(LEGITIMATE[name]).object
    validated = create(made, phase=VALIDATING)
    assert validated.allowed, validated.message
    assert validated.object is None
    again = update(LEGITIMATE[name], made)
    assert again.allowed, again.message
    # A server-side apply without the stamps would take them away: they are put back.
    assert again.object == made
    same = update(made, made)
    assert same.allowed, same.message
    assert same.object is None
    assert update(made, made, phase=VALIDATING).allowed
    deleted = create(None, operation="DELETE", old_object=made, name=made["metadata"]["name"])
    assert deleted.allowed, deleted.message


def test_every_field_of_kagent_is_refused_unless_it_is_known() -> None:
    tried = 0
    unknown: set[str] = set()
    for field in FIELDS:
        if field in ADMISSIBLE:
            continue
        base = byo() if field.startswith("spec.byo") else declarative()
        path = field.replace("[]", "[0]").replace("{}", "")
        for value in VALUES:
            if any(one.startswith((f"{field}.", f"{field}[")) for one in ADMISSIBLE) and value in (
                {},
                [],
            ):
                continue  # empty blocks around fields that can be allowed
            tried += 1
            decision = create(edited(base, (path, value)))
            assert not decision.allowed, (path, value)
            unknown |= {
                path
                for one in decision.denials
                if one.path == path and one.reason is ModelReason.UNKNOWN_FIELD
            }
    assert tried > 4000
    # No field of kagent is refused as unknown: the denial names the real reason.
    assert not unknown


OTHERS = [
    ("", "v1", "pods"),
    ("", "v1", "secrets"),
    ("", "v1", "configmaps"),
    ("", "v1", "serviceaccounts"),
    ("", "v1", "namespaces"),
    ("", "v1", "nodes"),
    ("", "v1", "services"),
    ("", "v1", "persistentvolumes"),
    ("", "v1", "bindings"),
    ("", "v1", "events"),
    ("apps", "v1", "deployments"),
    ("apps", "v1", "daemonsets"),
    ("batch", "v1", "jobs"),
    ("batch", "v1", "cronjobs"),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "v1", "roles"),
    ("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("networking.k8s.io", "v1", "networkpolicies"),
    ("hotpeers.dev", "v1alpha1", "spawnpolicies"),
    ("hotpeers.dev", "v1alpha1", "peers"),
    ("kagent.dev", "v1alpha1", "agents"),
    ("kagent.dev", "v1alpha3", "agents"),
    ("kagent.dev", "v1alpha2", "sandboxagents"),
    ("kagent.dev", "v1alpha2", "modelconfigs"),
    ("kagent.dev", "v1alpha2", "remotemcpservers"),
    ("kagent.dev", "v1alpha1", "mcpservers"),
    ("evil.dev", "v1alpha2", "agents"),
    ("", "v1alpha2", "agents"),
]


@pytest.mark.parametrize(("group", "version", "resource"), OTHERS)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE", "CONNECT", "PATCH"])
def test_nothing_else_may_be_written(
    group: str, version: str, resource: str, operation: str
) -> None:
    live = spawned()
    asked = replace(
        request(live),
        group=group,
        version=version,
        resource=resource,
        operation=operation,
        old_object=live,
    )
    decision = decide(asked, [POLICY], Facts(now=NOW))
    assert not decision.allowed
    assert {one.reason for one in decision.denials} == {PolicyReason.RESOURCE_NOT_ALLOWED}


@pytest.mark.parametrize("subresource", ["status", "scale", "finalize", "STATUS", "x", "status/x"])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE", "CONNECT"])
def test_no_subresource_may_be_written(subresource: str, operation: str) -> None:
    live = spawned()
    decision = update(live, live, subresource=subresource)
    assert not decision.allowed
    decision = create(live, subresource=subresource, operation=operation, old_object=live)
    assert not decision.allowed


@pytest.mark.parametrize("operation", ["CONNECT", "PATCH", "create", "", "*"])
def test_other_operations_are_refused(operation: str) -> None:
    live = spawned()
    assert not create(live, operation=operation, old_object=live).allowed


def test_subject_of_the_corpus_is_governed() -> None:
    assert LEAD.policy == ""
