"""AdmissionReviews: a malformed one is never admitted, and the answer is exactly the decision."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.model.reasons import ModelReason
from hotpeers.spawnpolicy.decide import decide
from hotpeers.spawnpolicy.decision import Decision, Denial
from hotpeers.spawnpolicy.request import Facts, Phase
from hotpeers.spawnpolicy.review import MAX_BYTES, ReviewError, answer, read_review
from kit.spawning import LEAD, NOW, POLICY, declarative, edited, parts, policy, spawned


def review(manifest: Any = None, **changes: Any) -> dict[str, Any]:
    """An AdmissionReview as kube-apiserver 1.36 sends it."""
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "kagent.dev", "version": "v1alpha2", "kind": "Agent"},
            "resource": {"group": "kagent.dev", "version": "v1alpha2", "resource": "agents"},
            "requestKind": {"group": "kagent.dev", "version": "v1alpha2", "kind": "Agent"},
            "requestResource": {"group": "kagent.dev", "version": "v1alpha2", "resource": "agents"},
            "name": "worker-a",
            "namespace": "team",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:team:lead",
                "uid": "account-uid",
                "groups": ["system:masters"],
                "extra": {"authentication.kubernetes.io/pod-name": ["lead-1"]},
            },
            "object": declarative() if manifest is None else manifest,
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            **changes,
        },
    }


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("options", "propagation"),
    [
        (None, ""),
        ({}, ""),
        ({"propagationPolicy": "Background"}, "Background"),
        ({"propagationPolicy": "Orphan"}, "Orphan"),
        ({"propagationPolicy": ["Background"]}, "['Background']"),
        ({"orphanDependents": False}, ""),
        ({"orphanDependents": True}, "Orphan"),
    ],
)
def test_propagation_policy_of_a_deletion_is_read(options: Any, propagation: str) -> None:
    sent = review(operation="DELETE", object=None, oldObject=spawned(), options=options)
    assert read_review(raw(sent), Phase.VALIDATING).request_of(LEAD).propagation == propagation


def test_malformed_options_are_a_review_error() -> None:
    with pytest.raises(ReviewError):
        read_review(raw(review(operation="DELETE", options="Orphan")), Phase.MUTATING)


LONG = "a" * 70_000
LONG_TEXTS: dict[str, tuple[tuple[str, Any], ...]] = {
    "name": (("request.name", LONG), ("request.object.metadata.name", LONG)),
    "name of the request": (("request.name", LONG),),
    "name of the object": (("request.object.metadata.name", LONG),),
    "a name that begins well": (("request.name", "worker-a" + LONG),),
    "namespace": (("request.namespace", LONG), ("request.object.metadata.namespace", LONG)),
    "subresource": (("request.subResource", LONG),),
    "group": (("request.resource.group", LONG),),
    "version": (("request.resource.version", LONG),),
    "resource": (("request.resource.resource", LONG),),
    "label": (("request.object.metadata.labels.topic", LONG),),
    "key": (("request.object.metadata.labels", {LONG: "x"}),),
    "field": (("request.object.spec", {LONG: "x"}),),
    "annotation": (('request.object.metadata.annotations["example.com/note"]', LONG),),
    "ttl": (('request.object.metadata.annotations["hotpeers.dev/ttl"]', LONG),),
    "template": (('request.object.metadata.annotations["hotpeers.dev/template"]', LONG),),
    "prompt": (("request.object.spec.declarative.systemMessage", LONG),),
    "kind": (("request.object.kind", LONG),),
}


@pytest.mark.parametrize("what", LONG_TEXTS)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
@pytest.mark.parametrize("phase", list(Phase))
def test_oversized_text_is_denied_without_a_fault(what: str, operation: str, phase: Phase) -> None:
    old = None if operation == "CREATE" else spawned()
    sent = edited(review(operation=operation, oldObject=old), *LONG_TEXTS[what])
    request = read_review(raw(sent), phase).request_of(LEAD)
    decision = decide(request, [POLICY], Facts(now=NOW))
    assert not decision.allowed
    told = answer(read_review(raw(sent), phase), decision)
    assert len(json.dumps(told)) < 10_000


@pytest.mark.parametrize("phase", list(Phase))
def test_deletion_of_a_name_that_is_far_too_long_is_denied(phase: Phase) -> None:
    for name in (LONG, "worker-a" + LONG):
        sent = review(operation="DELETE", name=name, object=None, oldObject=spawned())
        request = read_review(raw({**sent}), phase).request_of(LEAD)
        assert not decide(request, [POLICY], Facts(now=NOW)).allowed


def test_request_is_read_unchanged() -> None:
    old = declarative("worker-a")
    found = read_review(
        raw(review(operation="UPDATE", oldObject=old, dryRun=True, subResource="status")),
        Phase.VALIDATING,
    )
    assert (found.username, found.user_uid) == ("system:serviceaccount:team:lead", "account-uid")
    request = found.request_of(LEAD)
    assert (request.group, request.version, request.resource) == (
        "kagent.dev",
        "v1alpha2",
        "agents",
    )
    assert (request.operation, request.subresource) == ("UPDATE", "status")
    assert (request.namespace, request.name, request.dry_run) == ("team", "worker-a", True)
    assert (request.object, request.old_object) == (declarative(), old)
    assert (request.subject, request.phase) == (LEAD, Phase.VALIDATING)


@pytest.mark.parametrize(
    "missing", ["name", "namespace", "oldObject", "object", "dryRun", "options"]
)
def test_optional_field_may_be_missing(missing: str) -> None:
    document = review()
    del document["request"][missing]
    assert read_review(raw(document), Phase.MUTATING).uid


BAD: dict[str, tuple[str, Any]] = {
    "no request": ("request", None),
    "a list as request": ("request", []),
    "another version": ("apiVersion", "admission.k8s.io/v1beta1"),
    "another kind": ("kind", "ConversionReview"),
    "no uid": ("request.uid", ""),
    "a number as uid": ("request.uid", 7),
    "a long uid": ("request.uid", "x" * 1025),
    "no user": ("request.userInfo", None),
    "no name of the user": ("request.userInfo.username", ""),
    "a list as the name of the user": ("request.userInfo.username", ["system:serviceaccount:a:b"]),
    "a number as uid of the user": ("request.userInfo.uid", 0),
    "no resource": ("request.resource", None),
    "a text as resource": ("request.resource", "agents"),
    "a number as version": ("request.resource.version", 1),
    "another operation": ("request.operation", "PATCH"),
    "no operation": ("request.operation", None),
    "a lower case operation": ("request.operation", "create"),
    "a text as dryRun": ("request.dryRun", "true"),
    "a number as dryRun": ("request.dryRun", 1),
    "a list as object": ("request.object", [declarative()]),
    "a text as object": ("request.object", "{}"),
    "a list as old object": ("request.oldObject", []),
    "null as a name": ("request.name", None),
    "an object as namespace": ("request.namespace", {}),
}


@pytest.mark.parametrize("name", BAD)
def test_other_shapes_are_refused(name: str) -> None:
    path, value = BAD[name]
    assert parts(path)
    with pytest.raises(ReviewError):
        read_review(raw(edited(review(), (path, value))), Phase.MUTATING)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000),
        b'{"n": ' + b"9" * 10_000 + b"}",
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ReviewError):
        read_review(body, Phase.MUTATING)


def test_huge_body_is_refused() -> None:
    with pytest.raises(ReviewError, match="larger"):
        read_review(b" " * (MAX_BYTES + 1), Phase.MUTATING)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_PATHS = ["apiVersion", "kind", *(f"request.{key}" for key in review()["request"])]


@given(st.binary(max_size=64) | _JSON.map(raw))
def test_malformed_body_is_a_review_error(body: bytes) -> None:
    with pytest.raises(ReviewError):
        read_review(body, Phase.VALIDATING)


@given(st.lists(st.tuples(st.sampled_from(_PATHS), _JSON), min_size=1, max_size=3))
def test_any_edit_of_a_review_is_handled(edits: list[tuple[str, Any]]) -> None:
    document = review()
    for path, value in edits:
        document = (
            edited(document, (path, value))
            if isinstance(document.get("request"), dict)
            else document
        )
    try:
        found = read_review(raw(document), Phase.VALIDATING)
    except ReviewError:
        return
    decision = decide(found.request_of(LEAD), [POLICY], Facts(now=NOW))
    told = answer(found, decision)["response"]
    assert told["allowed"] is decision.allowed
    assert json.dumps(told)


def decided(document: dict[str, Any], phase: Phase = Phase.MUTATING, **spec: Any) -> dict[str, Any]:
    found = read_review(raw(document), phase)
    decision = decide(found.request_of(LEAD), [policy(**spec)], Facts(now=NOW))
    told = answer(found, decision)
    assert (told["apiVersion"], told["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert told["response"]["uid"] == document["request"]["uid"]
    return dict(told["response"])


def patched(manifest: Any, told: dict[str, Any]) -> Any:
    """The manifest with the patch of an answer."""
    assert told["patchType"] == "JSONPatch"
    whole = json.loads(json.dumps(manifest))
    for one in json.loads(base64.b64decode(told["patch"])):
        assert one["op"] == "add"
        assert one["path"] in {"/metadata", "/spec"}
        whole[one["path"][1:]] = one["value"]
    return whole


def test_patch_produces_the_decided_object() -> None:
    told = decided(review())
    assert told["allowed"] is True
    made = patched(declarative(), told)
    metadata = spawned()["metadata"]
    assert made["metadata"]["annotations"] == metadata["annotations"]
    assert made["metadata"]["ownerReferences"] == metadata["ownerReferences"]
    assert made["spec"] == spawned()["spec"]
    # And the validating webhook takes it as it is, with no patch.
    after = decided(review(made), Phase.VALIDATING)
    assert after == {"uid": after["uid"], "allowed": True}


def test_unchanged_object_gets_no_patch() -> None:
    live = spawned()
    told = decided(review(live, operation="UPDATE", oldObject=live))
    assert told == {"uid": told["uid"], "allowed": True}


def test_stamps_that_an_apply_takes_away_are_put_back() -> None:
    live = spawned()
    told = decided(review(declarative(), operation="UPDATE", oldObject=live))
    made = patched(declarative(), told)
    for key in ("annotations", "labels", "ownerReferences"):
        assert made["metadata"][key] == live["metadata"][key]


def test_denial_is_readable_by_a_model_and_a_program() -> None:
    told = decided(review(edited(declarative(), ("spec.declarative.runtime", "go"))))
    status = told["status"]
    assert told["allowed"] is False
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'spec.declarative.runtime: "go" is not allowed (RuntimeNotAllowed); allowed: python'
    )
    assert status["details"]["causes"] == [
        {
            "reason": "RuntimeNotAllowed",
            "field": "spec.declarative.runtime",
            "message": '"go" is not allowed',
        }
    ]


def test_audit_warns_once_without_a_patch() -> None:
    document = review(edited(declarative(), ("spec.declarative.runtime", "go")))
    told = decided(document, mode="Audit")
    assert told == {"uid": told["uid"], "allowed": True}
    told = decided(document, Phase.VALIDATING, mode="Audit")
    assert told["allowed"] is True
    (warning,) = told["warnings"]
    assert warning.startswith(
        "SpawnPolicy team/workers (Audit) would refuse: spec.declarative.runtime"
    )
    assert len(warning) <= 250


def test_audit_does_not_ask_for_stamps_that_it_did_not_put_on() -> None:
    told = decided(review(), Phase.VALIDATING, mode="Audit")
    assert told == {"uid": told["uid"], "allowed": True}


def test_change_outside_of_the_stamped_fields_is_a_fault() -> None:
    found = read_review(raw(review()), Phase.MUTATING)
    with pytest.raises(ValueError, match="more was changed"):
        answer(found, Decision(allowed=True, object={**declarative(), "kind": "Other"}))


def test_many_denials_are_bounded() -> None:
    found = read_review(raw(review()), Phase.MUTATING)
    denials = tuple(Denial(ModelReason.UNKNOWN_FIELD, f"spec.f{i}", "unknown") for i in range(500))
    told = answer(found, Decision(allowed=False, denials=denials))["response"]["status"]
    assert len(told["details"]["causes"]) == 20
    assert told["message"].count("\n") == 20
