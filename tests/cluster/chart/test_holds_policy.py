"""The policy of holds on a real API server: what a compromised controller can write."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from hotpeers.hold.release import release_patch
from hotpeers.hold.state import Hold
from hotpeers.hold.workload import Pod, asking_patch, read_deployment
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.server import Cluster
from kit.chart.controller import await_denial, controller_account
from kit.chart.helm import Helm

HOME = "holds-home"
JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
HASH = "kagent.dev/config-hash"


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster, helm: Helm) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights and under the policies of the chart."""
    with controller_account(shared_cluster, helm, namespaces=(HOME,)) as made:
        probe = made.cluster.api.create(pod("probe"))
        change = {"metadata": {"labels": {"a": "b"}}}
        await_denial(made, lambda theirs: refused(theirs, probe, change))
        yield made
        made.cluster.api.delete(probe, gracePeriodSeconds=0)


def refused(api: Api, manifest: Object, change: Any) -> bool:
    """Whether our policy refuses a change, which is never stored."""
    kind = JSON_PATCH if isinstance(change, list) else MERGE
    try:
        api.request("PATCH", f"{api.path(manifest)}?dryRun=All", change, content_type=kind)
    except ApiError as error:
        if "hotpeers-holds" not in error.message:
            raise
        return True
    return False


def pod(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": HOME, "labels": {"a": "a"}},
        "spec": {"containers": [{"name": "kagent", "image": "a"}]},
    }


@pytest.fixture
def held(admin: Api) -> Iterator[Object]:
    labels = {"app": "kagent", "kagent": "lead"}
    template = {
        "metadata": {"labels": labels, "annotations": {HASH: "1", "x": "y"}},
        "spec": {"containers": [{"name": "kagent", "image": "a"}]},
    }
    marks = {
        "hotpeers.dev/held-config-hash": "2",
        "hotpeers.dev/held-template-hash": "1",
        "hotpeers.dev/held-since": "2026-11-28T10:00:00Z",
        "other": "kept",
    }
    made = admin.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "lead",
                "namespace": HOME,
                "labels": {**labels, "hotpeers.dev/held": "true"},
                "annotations": marks,
            },
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
    )
    yield made
    admin.delete(made)


def test_release_and_clearing_pass(api: Api, held: Object) -> None:
    one = read_deployment(held)
    assert not refused(api, held, release_patch(one.uid, one.hold, one.marks))
    assert not refused(api, held, release_patch(one.uid, None, one.marks))


def test_annotating_a_pod_with_the_held_hash_is_allowed(api: Api, admin: Api) -> None:
    made = admin.create(pod("asked"))
    uid = made["metadata"]["uid"]
    try:
        for bare in (True, False):
            change = asking_patch(
                Pod("asked", uid, has_annotations=not bare), Hold("2", "1"), "ab", 1
            )
            assert not refused(api, made, change)
            admin.patch(made, {"metadata": {"annotations": {"a": "b"}}})
    finally:
        admin.delete(made, gracePeriodSeconds=0)


def template(**change: Any) -> Object:
    return {"spec": {"template": change}}


HOSTILE = {
    "an image": template(spec={"containers": [{"name": "kagent", "image": "evil"}]}),
    "another container": template(spec={"containers": [{"name": "b", "image": "evil"}]}),
    "an account": template(spec={"serviceAccountName": "admin"}),
    "a label of the template": template(metadata={"labels": {"x": "y"}}),
    "an annotation of the template": template(metadata={"annotations": {"x": "z"}}),
    "a new annotation of the template": template(
        metadata={"annotations": {"hotpeers.dev/inject": "true"}}
    ),
    "an annotation of the template that goes": template(metadata={"annotations": {"x": None}}),
    "a hash that is not owed": template(metadata={"annotations": {HASH: "3"}}),
    "no hash": template(metadata={"annotations": {HASH: None}}),
    "replicas": {"spec": {"replicas": 0}},
    "paused": {"spec": {"paused": True}},
    "a strategy": {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    "a deadline": {"spec": {"progressDeadlineSeconds": 5}},
    "a history": {"spec": {"revisionHistoryLimit": 0}},
    "minimum seconds": {"spec": {"minReadySeconds": 5}},
    "a label": {"metadata": {"labels": {"x": "y"}}},
    "a label that goes": {"metadata": {"labels": {"app": None}}},
    "an annotation": {"metadata": {"annotations": {"other": "x"}}},
    "an annotation that goes": {"metadata": {"annotations": {"other": None}}},
    "a hash that it owes itself": {
        "metadata": {"annotations": {"hotpeers.dev/held-config-hash": "3"}}
    },
    "a finalizer": {"metadata": {"finalizers": ["a.example/b"]}},
    "an owner": {
        "metadata": {
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]
        }
    },
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_other_changes_of_a_deployment_are_refused(
    api: Api, admin: Api, held: Object, change: Object
) -> None:
    assert refused(api, held, change)
    assert not refused(admin, held, change)


POD_CHANGES = {
    "an image": {"spec": {"containers": [{"name": "kagent", "image": "evil"}]}},
    "a label": {"metadata": {"labels": {"hotpeers.dev/injected": "true"}}},
    "a label that goes": {"metadata": {"labels": {"a": None}}},
    "an annotation": {"metadata": {"annotations": {"hotpeers.dev/status": "{}"}}},
    "a finalizer": {"metadata": {"finalizers": ["a.example/b"]}},
    "a deadline": {"spec": {"activeDeadlineSeconds": 1}},
}


@pytest.mark.parametrize("change", POD_CHANGES.values(), ids=POD_CHANGES)
def test_other_changes_of_a_pod_are_refused(
    api: Api, admin: Api, account: ServiceAccount, change: Object
) -> None:
    assert refused(api, pod("probe"), copy.deepcopy(change))
    assert not refused(admin, pod("probe"), change)


@pytest.mark.parametrize("verb", ["DELETE", "POST"])
def test_controller_cannot_create_or_delete_pods_and_deployments(
    api: Api, held: Object, verb: str
) -> None:
    for manifest in (held, pod("probe")):
        path = api.path(manifest, named=verb == "DELETE")
        with pytest.raises(ApiError, match="403"):
            api.request(verb, f"{path}?dryRun=All", None if verb == "DELETE" else manifest)
