"""Which workloads the injected pods belong to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hotpeers.base.names import NamespacedName
from hotpeers.controller.workloads.pods import (
    InjectedPod,
    Owner,
    owner_of,
    read_injected_pod,
    workloads_of,
)
from kit.controller.injected import injected


def reference(kind: str, name: str, uid: str = "u1", **more: Any) -> dict[str, Any]:
    one = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
    return {**one, **more}


def pod(*owners: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return injected(
        {
            "metadata": {
                "namespace": "ns",
                "name": "pod",
                "labels": {"pod-template-hash": "abc", "rollouts-pod-template-hash": "def"},
                "ownerReferences": list(owners),
            },
            "spec": {
                "serviceAccountName": "lead",
                "automountServiceAccountToken": False,
                "containers": [{"name": "a", "image": "a", "command": ["python"]}],
                **spec,
            },
        }
    )


@pytest.mark.parametrize(
    ("owners", "spec", "workload"),
    [
        ([reference("ReplicaSet", "lead-abc")], {}, "lead"),
        ([reference("StatefulSet", "lead")], {}, "lead"),
        ([reference("DaemonSet", "lead.v2")], {}, "lead.v2"),
        # Argo Rollouts names its ReplicaSets in the same way, but has a label of its own.
        ([reference("ReplicaSet", "lead-def")], {}, "lead"),
        ([reference("ReplicaSet", "lead-other")], {}, "lead-other"),
        ([], {}, ""),
        ([reference("StatefulSet", "lead", controller=False)], {}, ""),
        # The pod of a Job ends by itself.
        ([reference("Job", "nightly")], {"restartPolicy": "Never"}, ""),
    ],
)
def test_workload(owners: list[dict[str, Any]], spec: dict[str, Any], workload: str) -> None:
    assert read_injected_pod(pod(*owners, **spec)).workload == workload


def test_label_without_a_sidecar_shows_nothing() -> None:
    bare = pod(reference("StatefulSet", "lead"))
    bare["spec"] = {"containers": [{"name": "a", "image": "a"}]}
    assert read_injected_pod(bare).workload == ""
    ended = {**pod(reference("StatefulSet", "lead")), "status": {"phase": "Succeeded"}}
    assert read_injected_pod(ended).workload == ""


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"metadata": None},
        {"metadata": {"ownerReferences": "odd"}},
        {"metadata": {"ownerReferences": [1, {}]}},
    ],
)
def test_owner_of_an_odd_object(data: Any) -> None:
    assert owner_of(data) is None


def of(name: str, workload: str, owner: Owner, account: str = "lead") -> InjectedPod:
    return InjectedPod(NamespacedName("ns", name), workload, owner, account)


SET = Owner("apps/v1", "ReplicaSet", "lead-abc", "rs")
DEPLOYMENT = Owner("apps/v1", "Deployment", "lead", "d")


def test_replica_set_leads_to_its_owner_once_that_is_known() -> None:
    pods = [of("a", "lead", SET), of("b", "lead", SET, "other")]
    assert workloads_of(pods, {}) == ({}, frozenset({("ns", SET)}))
    found, unknown = workloads_of(pods, {"rs": DEPLOYMENT})
    (one,) = found.values()
    assert not unknown
    assert (one.owner, one.accounts, one.pods) == (DEPLOYMENT, {"lead", "other"}, {"a", "b"})
    # A ReplicaSet that nobody owns is itself the workload.
    (one,) = workloads_of(pods, {"rs": None})[0].values()
    assert one.owner == SET


def test_of_two_workloads_with_one_name_always_the_same_is_shown() -> None:
    stateful = Owner("apps/v1", "StatefulSet", "lead", "s")
    pods = [of("a", "lead", stateful, "s"), of("b", "lead", DEPLOYMENT, "d")]
    for order in (pods, pods[::-1]):
        (one,) = workloads_of(order, {})[0].values()
        assert (one.owner, one.accounts, one.pods) == (DEPLOYMENT, {"d"}, {"b"})
        assert one.hidden == {stateful}
    # One that was deleted hides nothing.
    (one,) = workloads_of([replace(pods[0], ending=True), pods[1]], {})[0].values()
    assert one.hidden == frozenset()


def test_deployment_that_was_created_again_is_shown_before_its_old_pods_have_ended() -> None:
    old, new = (
        Owner("apps/v1", "Deployment", "lead", "a"),
        Owner("apps/v1", "Deployment", "lead", "b"),
    )
    pods = [
        InjectedPod(NamespacedName("ns", "1"), "lead", old, "lead", ending=True),
        InjectedPod(NamespacedName("ns", "2"), "lead", new, "lead"),
        InjectedPod(NamespacedName("ns", "3"), "lead", new, "other", ending=True),
    ]
    for some in (pods, pods[::-1]):
        (found,) = workloads_of(some, {})[0].values()
        assert (found.owner, found.pods, found.hidden) == (new, {"2", "3"}, frozenset())
    (found,) = workloads_of(pods[:1], {})[0].values()
    assert found.owner == old
    ended = pod(reference("StatefulSet", "lead"))
    ended["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
    assert read_injected_pod(ended).ending


def test_replica_set_with_an_odd_name_is_not_asked_for() -> None:
    odd = Owner("apps/v1", "ReplicaSet", "../../../../../../version", "r")
    one = InjectedPod(NamespacedName("ns", "1"), "lead", odd, "lead")
    assert workloads_of([one], {})[1] == frozenset()
