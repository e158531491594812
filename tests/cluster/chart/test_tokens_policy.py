"""The policy of tokens on a real API server: which Secrets a compromised controller can write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hotpeers.controller.orchestrators.objects import SECRET_TYPE
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.server import Cluster
from kit.chart.controller import NAMESPACE, await_denial, controller_account
from kit.chart.helm import Helm

HOME = "tokens-home"
OWNER = {"apiVersion": "hotpeers.dev/v1alpha1", "kind": "Orchestrator", "name": "a", "uid": "u"}


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster, helm: Helm) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights and under the policies of the chart."""
    with controller_account(shared_cluster, helm, "hub.enabled=true", namespaces=(HOME,)) as made:
        await_denial(made, lambda theirs: refused(theirs, secret("probe", "Opaque")))
        yield made


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


@pytest.mark.parametrize("namespace", [NAMESPACE, HOME])
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
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/hotpeers-hub-key?dryRun=All"
    kind = "application/merge-patch+json"
    api.request("PATCH", path, {"data": {"key": "eA=="}}, content_type=kind)
