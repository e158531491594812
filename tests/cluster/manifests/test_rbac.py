"""k8s/rbac: under it a sidecar may do what it needs, and nothing else."""

from collections.abc import Callable, Iterator

import pytest

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.rbac import grant
from kit.apiserver.server import Cluster

REVIEWS = "authorization.k8s.io/v1"
# (verb, group, resource, name) in the orchestrator's own namespace.
NEEDED = [
    ("list", "kagent.dev", "agents", ""),
    ("watch", "kagent.dev", "agents", ""),
    ("list", "api.kagent.dev", "agents", ""),
    ("watch", "api.kagent.dev", "agents", ""),
    ("get", "kagent.dev", "agents", "my-orchestrator"),
    ("list", "hotpeers.dev", "peers", ""),
    ("watch", "hotpeers.dev", "peers", ""),
    ("list", "", "services", ""),
    ("watch", "", "services", ""),
    ("create", "", "events", ""),
    ("patch", "", "events", "any"),
]
FORBIDDEN = [
    *((verb, "", "secrets", "") for verb in ("get", "list", "watch", "create")),
    *((verb, "", "configmaps", "") for verb in ("get", "list", "watch", "create")),
    *((verb, "", "pods", "") for verb in ("get", "list", "watch", "create", "delete")),
    *(
        (verb, group, resource, "")
        for verb in ("create", "update", "patch", "delete", "deletecollection")
        for group, resource in (
            ("kagent.dev", "agents"),
            ("kagent.dev", "agents/status"),
            ("api.kagent.dev", "agents"),
            ("api.kagent.dev", "agenttemplates"),
            ("hotpeers.dev", "peers"),
            ("", "services"),
        )
    ),
    *((verb, "", "events", "") for verb in ("get", "list", "watch", "update", "delete")),
    ("create", "", "pods/exec", ""),
    ("create", "", "serviceaccounts/token", ""),
    ("impersonate", "", "serviceaccounts", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
    ("list", "", "namespaces", ""),
]


@pytest.fixture
def account(service_account: Callable[..., ServiceAccount], namespace: str) -> ServiceAccount:
    return service_account(namespace, "my-orchestrator")


@pytest.fixture
def sidecar(account: ServiceAccount) -> Iterator[Api]:
    """The API under the rights of orchestrator.yaml."""
    grant(account, "orchestrator.yaml")
    yield (api := Api(account.access))
    api.close()


@pytest.fixture
def elsewhere(cluster: Cluster) -> Iterator[str]:
    create_namespace(cluster.api, "elsewhere")
    yield "elsewhere"
    remove_namespace(cluster.api, "elsewhere")


def may(api: Api, namespace: str, verb: str, group: str, resource: str, name: str = "") -> bool:
    resource, _, subresource = resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "name": name,
    }
    review = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    return api.create({"apiVersion": REVIEWS, **review})["status"]["allowed"]


def rules(api: Api, namespace: str) -> set[tuple[str, str, str, str]]:
    """Every single right in a namespace, as (verb, group, resource, name)."""
    review = {"kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = api.create({"apiVersion": REVIEWS, **review})["status"]
    assert not status["incomplete"]
    return {
        (verb, group, resource, name)
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
    }


def status_of(api: Api, method: str, path: str, body: Object | None = None) -> int:
    try:
        api.request(method, path, body)
    except ApiError as error:
        return error.status
    return 200


def test_needed_rights_of_the_sidecar_are_allowed(sidecar: Api, namespace: str) -> None:
    assert [need for need in NEEDED if not may(sidecar, namespace, *need)] == []


def test_other_rights_of_the_sidecar_are_denied(sidecar: Api, namespace: str) -> None:
    assert [right for right in FORBIDDEN if may(sidecar, namespace, *right)] == []


def test_sidecar_has_exactly_the_needed_rights(
    sidecar: Api, namespace: str, service_account: Callable[..., ServiceAccount]
) -> None:
    nobody = Api(service_account(namespace, "nobody").access)
    added = rules(sidecar, namespace) - rules(nobody, namespace)
    nobody.close()
    definitions = ("get", "apiextensions.k8s.io", "customresourcedefinitions")
    assert added == {
        *((verb, group, resource, "") for verb, group, resource, _ in NEEDED),
        (*definitions, "agents.kagent.dev"),
        (*definitions, "agents.api.kagent.dev"),
        (*definitions, "peers.hotpeers.dev"),
        ("list", "", "namespaces", namespace),
        ("watch", "", "namespaces", namespace),
    }


def test_other_namespaces_are_forbidden(sidecar: Api, elsewhere: str) -> None:
    assert [need for need in NEEDED if may(sidecar, elsewhere, *need)] == []


def test_all_namespaces_role_only_lists_and_watches_peers(
    account: ServiceAccount, sidecar: Api, elsewhere: str
) -> None:
    grant(account, "all-namespaces.yaml")
    allowed = {need for need in NEEDED if may(sidecar, elsewhere, *need)}
    assert allowed == {need for need in NEEDED if need[0] in {"list", "watch"}}


def test_only_labels_of_the_own_namespace_are_readable(sidecar: Api, namespace: str) -> None:
    path = "/api/v1/namespaces?fieldSelector=metadata.name%3D"
    assert status_of(sidecar, "GET", path + namespace) == 200
    watch = f"{path}{namespace}&watch=true&timeoutSeconds=1"
    assert status_of(sidecar, "GET", watch) == 200
    assert status_of(sidecar, "GET", path + "default") == 403
    assert status_of(sidecar, "GET", "/api/v1/namespaces") == 403


def test_only_events_are_writable(sidecar: Api, namespace: str) -> None:
    about = {"kind": "Agent", "apiVersion": "kagent.dev/v1alpha2", "namespace": namespace}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "one", "namespace": namespace},
        "involvedObject": {**about, "name": "my-orchestrator"},
        "reason": "PeerAdded",
    }
    sidecar.create(event)
    assert sidecar.patch(event, {"count": 2})["count"] == 2
    with pytest.raises(ApiError, match="403 Forbidden"):
        sidecar.delete(event)


def test_definitions_of_other_kinds_are_closed(sidecar: Api, crds: list[str]) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for name in crds:
        expected = 403 if name.startswith("orchestrators.") else 200
        assert status_of(sidecar, "GET", f"{path}/{name}") == expected
    assert status_of(sidecar, "GET", f"{path}/secrets.example.org") == 403
    assert status_of(sidecar, "GET", path) == 403
