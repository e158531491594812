"""The policy of bindings on a real API server: what a compromised controller can bind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from hotpeers.controller.rbac.grants import (
    DEFINITIONS,
    FEEDBACK,
    PEERS,
    Account,
    Binding,
    manifest_of,
)
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.server import Cluster
from kit.chart.controller import await_denial, controller_account
from kit.chart.helm import Helm
from kit.waiting import until

HOME, AWAY = "bindings-home", "bindings-away"
RBAC = "rbac.authorization.k8s.io/v1"
ALICE = Account(HOME, "alice")


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster, helm: Helm) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights and under the policies of the chart."""
    with controller_account(shared_cluster, helm, namespaces=(HOME, AWAY)) as made:
        await_denial(made, lambda theirs: refused(theirs, by_hand()))
        yield made


def by_hand() -> Object:
    """A binding that RBAC alone allows the controller: it lets Alice read the whole cluster."""
    return manifest_of(Binding(PEERS, "", ALICE), None)


def refused(api: Api, manifest: Object) -> bool:
    """Whether our policy refuses to create it."""
    path = f"{api.path(manifest, named=False)}?dryRun=All"
    return "hotpeers-bindings" in api.refusal("POST", path, manifest)


def changed(place: str = HOME, role: str = PEERS, **change: Any) -> Object:
    made = copy.deepcopy(manifest_of(Binding(role, place, ALICE), None))
    metadata = change.pop("metadata", {})
    made["metadata"] |= metadata
    return {**made, **change}


SUBJECT = {"kind": "ServiceAccount", "name": "alice", "namespace": HOME}
USER = {"kind": "User", "name": "eve", "apiGroup": RBAC[:-3]}
GROUP = {"kind": "Group", "name": "system:authenticated", "apiGroup": RBAC[:-3]}
HOSTILE = {
    "every namespace's peers": by_hand(),
    "feedback in the cluster": changed("", FEEDBACK),
    "definitions in a namespace": changed(HOME, DEFINITIONS),
    "a user": changed(subjects=[USER]),
    "a group": changed(subjects=[GROUP]),
    "a group in the cluster": changed("", DEFINITIONS, subjects=[GROUP]),
    "a group beside an account": changed(subjects=[SUBJECT, GROUP]),
    "nobody": changed(subjects=[]),
    "another name": changed(metadata={"name": "alice-may-read"}),
    "a name that only looks alike": changed(metadata={"name": "hotpeers-peersalice"}),
    "no label": changed(metadata={"labels": {}}),
    "another label": changed(metadata={"labels": {"app.kubernetes.io/managed-by": "helm"}}),
    "somebody who was not invited": changed(AWAY),
    "feedback in another namespace": changed(AWAY, FEEDBACK),
}


@pytest.mark.parametrize("manifest", HOSTILE.values(), ids=HOSTILE)
def test_other_bindings_are_refused(api: Api, manifest: Object) -> None:
    assert refused(api, manifest)


@pytest.mark.parametrize("kind", ["", HOME])
@pytest.mark.parametrize("role", ["cluster-admin", "system:node", "hotpeers-spawner"])
def test_other_roles_are_refused(api: Api, role: str, kind: str) -> None:
    name = {"name": f"hotpeers-peers-{role.replace(':', '-')}"}
    reference = {"apiGroup": RBAC[:-3], "kind": "ClusterRole", "name": role}
    with pytest.raises(ApiError, match="403"):
        api.create(changed(kind, metadata=name, roleRef=reference))


def test_own_bindings_are_created_and_deleted(api: Api) -> None:
    for binding in (
        Binding(PEERS, HOME, ALICE),
        Binding(FEEDBACK, HOME, ALICE),
        Binding(DEFINITIONS, "", ALICE),
    ):
        made = api.create(manifest_of(binding, None))
        api.delete(made)


@pytest.mark.parametrize("said", ["*", HOME, f"{HOME}/alice", f"other,{HOME}/alice", f"x\n{HOME}"])
def test_invitation_lets_an_account_in(api: Api, admin: Api, said: str) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AWAY}}
    admin.patch(namespace, {"metadata": {"annotations": {"hotpeers.dev/readers": said}}})
    try:
        until("the invitation to be seen", lambda: not refused(api, changed(AWAY)), 30.0)
        assert refused(api, changed(AWAY, FEEDBACK))
    finally:
        admin.patch(namespace, {"metadata": {"annotations": {"hotpeers.dev/readers": None}}})
        until("the withdrawn invitation to be seen", lambda: refused(api, changed(AWAY)), 30.0)


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": "somebody-elses", "labels": {"app.kubernetes.io/managed-by": "hotpeers"}},
        {"name": "hotpeers-peers-by-hand"},
    ],
    ids=["name", "label"],
)
def test_bindings_of_others_are_not_deleted(api: Api, admin: Api, metadata: Object) -> None:
    manifest = changed(subjects=[USER])
    manifest["metadata"] = {"namespace": HOME, **metadata}
    made = admin.create(manifest)
    try:
        with pytest.raises(ApiError, match="hotpeers-bindings"):
            api.delete(made)
    finally:
        admin.delete(made)


def test_policy_of_bindings_applies_only_to_the_controller(admin: Api) -> None:
    for manifest in HOSTILE.values():
        assert not refused(admin, manifest)
