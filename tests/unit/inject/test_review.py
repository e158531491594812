"""AdmissionReview in, AdmissionReview out."""

import base64
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.inject import review as module
from hotpeers.inject.reasons import InjectReason
from hotpeers.inject.review import Result, review
from kit.pods.pod_cases import INJECTION


def request(pod: Any = None, **changes: Any) -> dict[str, Any]:
    pod = pod or {
        "metadata": {"generateName": "a-", "annotations": {"hotpeers.dev/inject": "true"}},
        "spec": {
            "serviceAccountName": "agent",
            "containers": [{"name": "agent", "image": "agent"}],
        },
    }
    inner = {
        "uid": "705ab4f5",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "team",
        "operation": "CREATE",
        "object": pod,
        **changes,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": inner}


def ask(document: Any) -> module.Review:
    done = review(json.dumps(document).encode(), INJECTION)
    assert done.answer["apiVersion"] == "admission.k8s.io/v1"
    assert done.answer["kind"] == "AdmissionReview"
    assert done.answer["response"]["allowed"] is True
    return done


def patch_of(done: module.Review) -> Any:
    response = done.answer["response"]
    assert response["patchType"] == "JSONPatch"
    return json.loads(base64.b64decode(response["patch"], validate=True))


def test_a_pod_is_patched() -> None:
    done = ask(request())
    assert done.result is Result.INJECTED
    assert done.answer["response"]["uid"] == "705ab4f5"
    assert {"op": "add", "path": "/metadata/labels", "value": {}} in patch_of(done)
    # The namespace is the request's: a pod seldom says its own.
    assert '"team"' in json.dumps(patch_of(done))


def test_a_skipped_pod_is_marked_and_the_client_is_warned() -> None:
    pod = request()["request"]["object"]
    pod["spec"]["containers"][0]["command"] = ["node"]
    done = ask(request(pod))
    assert (done.result, done.reason) == (Result.SKIPPED, InjectReason.NOT_PYTHON)
    (operation,) = patch_of(done)
    assert operation["path"] == "/metadata/annotations/hotpeers.dev~1skipped"
    assert "NotPython" in done.answer["response"]["warnings"][0]


def test_a_long_warning_is_cut() -> None:
    pod = request()["request"]["object"]
    pod["metadata"]["annotations"]["hotpeers.dev/selector"] = "=" * 5000
    (warning,) = ask(request(pod)).answer["response"]["warnings"]
    assert len(warning) <= 256


def test_pod_without_the_annotation_is_not_patched() -> None:
    done = ask(request({"metadata": {}, "spec": {"containers": []}}))
    assert done.result is Result.UNCHANGED
    assert set(done.answer["response"]) == {"uid", "allowed"}


@pytest.mark.parametrize(
    ("document", "uid"),
    [
        ([], ""),
        ({}, ""),
        ({"request": {}}, ""),
        (request(object=None), "705ab4f5"),
        (request(object=[]), "705ab4f5"),
        (request(namespace=""), "705ab4f5"),
        (request(operation="UPDATE"), "705ab4f5"),
        (request(kind={"kind": "Deployment"}), "705ab4f5"),
        (request(kind=None), "705ab4f5"),
    ],
)
def test_a_malformed_request_admits_unchanged(document: Any, uid: str) -> None:
    done = ask(document)
    assert (done.result, done.reason) == (Result.FAILED, InjectReason.REQUEST_INVALID)
    assert done.answer["response"] == {"uid": uid, "allowed": True}


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000])
def test_malformed_json_is_admitted_unchanged(raw: bytes) -> None:
    done = review(raw, INJECTION)
    assert (done.result, done.reason) == (Result.FAILED, InjectReason.REQUEST_INVALID)
    assert done.answer["response"] == {"uid": "", "allowed": True}


@pytest.mark.parametrize("spec", [None, {}, {"containers": None}, {"containers": [{}]}])
def test_malformed_pod_is_admitted_and_the_fault_is_logged(
    spec: Any, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = request()["request"]["object"]["metadata"]
    with caplog.at_level(logging.ERROR):
        done = ask(request({"metadata": metadata, "spec": spec}))
    assert (done.result, done.reason) == (Result.FAILED, InjectReason.INJECTION_FAILED)
    assert "patch" not in done.answer["response"]
    assert "team/a-" in caplog.text


WORDS = (
    *("metadata", "annotations", "labels", "spec", "containers", "initContainers", "volumes"),
    *("name", "env", "value", "valueFrom", "volumeMounts", "mountPath", "command", "resources"),
    *("hotpeers.dev/inject", "hotpeers.dev/container", "true", "hotpeers", "securityContext"),
)
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(SHAPES, SHAPES, SHAPES)
def test_pod_of_any_shape_is_admitted(whole: Any, metadata: Any, spec: Any) -> None:
    asked = {"annotations": {"hotpeers.dev/inject": "true"}}
    ask(request(object=whole))
    ask(request(object={"metadata": metadata, "spec": spec}))
    ask(
        request(
            object={"metadata": asked, "spec": {"containers": [spec, whole], "volumes": metadata}}
        )
    )


@given(SHAPES)
def test_request_of_any_shape_is_admitted(document: Any) -> None:
    ask(document)
    ask({"request": document})


def test_malformed_bytes_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    review(b'{"password": "hunter2"} \xff', INJECTION)
    review(b'{"password": "hunter2"', INJECTION)
    assert "hunter2" not in caplog.text
