"""The policy of tokens on a real API server: which Secrets a compromised controller can write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hotpeers.controller.orchestrators.objects import SECRET_TYPE
from kit.apiserver.accounts import ServiceAccount, make_account
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.waiting import until

PLACE, HOME = "hotpeers-system", "tokens-home"
KINDS = (
    *("ServiceAccount", "Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
OWNER = {"apiVersion": "hotpeers.dev/v1alpha1", "kind": "Orchestrator", "name": "a", "uid": "u"}


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster, helm: Helm) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights and under the policies of the chart."""
    api = shared_cluster.api
    for name in (PLACE, HOME):
        create_namespace(api, name)
    rendered = helm.render("hub.enabled=true", namespace=PLACE)
    objects = [one for one in rendered if one["kind"] in KINDS]
    for one in objects:
        api.apply(one)
    made = make_account(shared_cluster, PLACE, "hotpeers-controller")
    theirs = Api(made.access)
    until("the policy to be in force", lambda: refused(theirs, secret("probe", "Opaque")), 60.0)
    theirs.close()
    yield made
    for one in objects:
        api.delete(one)
    for name in (PLACE, HOME):
        remove_namespace(api, name)


@pytest.fixture
def api(account: ServiceAccount) -> Iterator[Api]:
    yield (made := Api(account.access))
    made.close()


def secret(name: str, kind: str, namespace: str = HOME, **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "stringData": {"token": "x"},
    }


def refused(api: Api, manifest: Object) -> bool:
    """Whether our policy refuses to create an object, which is never stored."""
    try:
        api.request("POST", f"{api.path(manifest, named=False)}?dryRun=All", manifest)
    except ApiError as error:
        if "hotpeers-tokens" not in error.message:
            raise
        return True
    return False


@pytest.mark.parametrize("namespace", [PLACE, HOME])
@pytest.mark.parametrize(
    ("kind", "metadata", "is_refused"),
    [
        (SECRET_TYPE, {"ownerReferences": [OWNER]}, False),
        (SECRET_TYPE, {}, True),
        (SECRET_TYPE, {"ownerReferences": [{**OWNER, "kind": "Pod", "apiVersion": "v1"}]}, True),
        ("Opaque", {"ownerReferences": [OWNER]}, True),
        (
            "kubernetes.io/service-account-token",
            {
                "ownerReferences": [OWNER],
                "annotations": {"kubernetes.io/service-account.name": "default"},
            },
            True,
        ),
    ],
)
def test_only_tokens_of_orchestrators_can_be_created(
    kind: str, metadata: Object, is_refused: bool, namespace: str, api: Api
) -> None:
    assert refused(api, secret("new", kind, namespace, **metadata)) is is_refused


@pytest.mark.parametrize("change", [{"data": {"token": "eA=="}}, {}])
def test_foreign_secret_is_neither_changed_nor_read_by_a_patch(
    change: Object, account: ServiceAccount, api: Api
) -> None:
    admin = account.cluster.api
    foreign = admin.create(secret("foreign", "Opaque"))
    try:
        path = f"{api.path(foreign)}?dryRun=All"
        kind = "application/merge-patch+json"
        with pytest.raises(ApiError, match="hotpeers-tokens"):
            api.request("PATCH", path, change, content_type=kind)
        with pytest.raises(ApiError, match="forbidden"):
            api.request("GET", api.path(foreign))
    finally:
        admin.delete(foreign)


def test_key_of_the_hub_can_be_written(account: ServiceAccount, api: Api) -> None:
    path = f"/api/v1/namespaces/{PLACE}/secrets/hotpeers-hub-key?dryRun=All"
    kind = "application/merge-patch+json"
    api.request("PATCH", path, {"data": {"key": "eA=="}}, content_type=kind)
