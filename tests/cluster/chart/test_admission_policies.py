"""The chart's ValidatingAdmissionPolicies at a real API server, with no controller that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.waiting import until

SYSTEM = "policies-system"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
WRITERS = 'guard.webhookWriters=["argocd/argocd-application-controller"]'
KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
AGENT = {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "name": "worker-a", "uid": "u"}
OWNED = {"ownerReferences": [{**AGENT, "controller": True}]}
STAMPED = {**OWNED, "annotations": {"hotpeers.dev/policy": "team/workers"}}


@pytest.fixture(scope="module")
def api(own_policies: Cluster) -> Api:
    return own_policies.api


@pytest.fixture(scope="module")
def own_policies(shared_cluster: Cluster, helm: Helm) -> Iterator[Cluster]:
    """A cluster with the webhook configurations and policies of the chart, and nothing that answers."""
    shared_cluster.start()
    api = shared_cluster.api
    namespaces = ("team", SYSTEM, "argocd", "ci")
    for namespace in namespaces:
        create_namespace(api, namespace)
    wanted = (
        "WebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    )
    made = [one for one in helm.render(WRITERS, namespace=SYSTEM) if one["kind"].endswith(wanted)]
    # Injection would ask for pods of other tests.
    for one in made:
        for webhook in one.get("webhooks", ()):
            webhook.pop("rules", None)
        api.apply(one)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "probe", "namespace": "team"},
    }
    api.create(secret)

    def enforced() -> bool:
        try:
            change(api, "secrets", "probe", STAMPED)
        except ApiError as error:
            return error.status in (403, 422)
        change(api, "secrets", "probe", {"ownerReferences": None, "annotations": None})
        return False

    until("the policies to be enforced", enforced, 60)
    yield shared_cluster
    for one in reversed(made):
        api.delete(one)
    for namespace in namespaces:
        remove_namespace(api, namespace)


def change(api: Api, plural: str, name: str, metadata: Object) -> Object:
    path = f"/api/v1/namespaces/team/{plural}/{name}"
    body = {"metadata": metadata}
    return api.request("PATCH", path, body, content_type="application/merge-patch+json")


def login(cluster: Cluster, namespace: str, name: str) -> Api:
    rights = [
        rule(
            "admissionregistration.k8s.io",
            "*",
            "get list create update patch delete deletecollection",
        )
    ]
    return Api(make_account(cluster, namespace, name, cluster_rules=rights).access)


@pytest.mark.parametrize("kind", KINDS)
def test_no_service_account_changes_our_webhooks(own_policies: Cluster, kind: str) -> None:
    lead = login(own_policies, "team", "lead")
    path = f"{HOOKS}/{kind}/hotpeers-guard"
    merge = "application/merge-patch+json"
    for method, where, body in (
        ("PATCH", path, {"webhooks": []}),
        (
            "PATCH",
            path,
            {"metadata": {"labels": None, "annotations": {"hotpeers.dev/governed": ""}}},
        ),
        ("DELETE", path, None),
        ("DELETE", f"{HOOKS}/{kind}?labelSelector=app.kubernetes.io/part-of=hotpeers", None),
    ):
        with pytest.raises(ApiError, match="may not change the webhook configurations") as caught:
            lead.request(method, where, body, content_type=merge)
        assert caught.value.status == 403, where
    assert "webhookWriters" in caught.value.message
    # Webhooks of others are left to RBAC.
    other = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": f"of-others-{kind[:3]}"},
    }
    plural = {"mut": "Mutating", "val": "Validating"}[kind[:3]]
    made = lead.create({**other, "kind": f"{plural}WebhookConfiguration", "webhooks": []})
    lead.delete(made)
    lead.close()


@pytest.mark.parametrize(
    ("namespace", "name"),
    [(SYSTEM, "hotpeers-controller"), ("argocd", "argocd-application-controller")],
)
def test_listed_accounts_and_people_may_change_the_webhooks(
    own_policies: Cluster, namespace: str, name: str
) -> None:
    listed = login(own_policies, namespace, name)
    for one in (listed, own_policies.api):
        for kind in KINDS:
            body = {"metadata": {"annotations": {"example.com/seen": name}}}
            path = f"{HOOKS}/{kind}/hotpeers-guard"
            one.request("PATCH", path, body, content_type="application/merge-patch+json")
    listed.close()


def test_listed_name_in_another_namespace_is_denied(own_policies: Cluster) -> None:
    other = login(own_policies, "ci", "argocd-application-controller")
    with pytest.raises(ApiError, match="may not change"):
        other.request("DELETE", f"{HOOKS}/{KINDS[0]}/hotpeers-guard")
    other.close()


@pytest.mark.parametrize(
    ("plural", "name"), [("secrets", "taken"), ("configmaps", "taken-skills-init")]
)
def test_stamps_cannot_be_added_to_an_object_without_them(api: Api, plural: str, name: str) -> None:
    kind = {"secrets": "Secret", "configmaps": "ConfigMap"}[plural]
    metadata = {"name": name, "namespace": "team"}
    made = api.create({"apiVersion": "v1", "kind": kind, "metadata": metadata})
    with pytest.raises(ApiError, match="already exists and belongs to no agent"):
        change(api, plural, name, STAMPED)
    # Its owner may still change it. Everyone may change an object that was an agent's from the
    # start.
    change(api, plural, name, {"labels": {"a": "b"}})
    api.delete(made)
    owned = api.create({"apiVersion": "v1", "kind": kind, "metadata": {**metadata, **STAMPED}})
    change(api, plural, name, {"labels": {"a": "b"}})
    api.delete(owned)


def test_secret_of_an_agent_that_a_person_made_is_kagents_affair(api: Api) -> None:
    metadata = {"name": "by-hand", "namespace": "team"}
    made = api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    change(api, "secrets", "by-hand", OWNED)
    api.delete(made)


def test_policies_are_omitted_when_unserved_or_disabled(helm: Helm) -> None:
    def names(*sets: str) -> set[str]:
        return {
            one["metadata"]["name"]
            for one in helm.render(*sets)
            if one["kind"] == "ValidatingAdmissionPolicy"
        }

    assert {"hotpeers-webhooks", "hotpeers-names"} <= names()
    off = ('guard.protectWebhooks="false"', "guard.protectNames=false")
    assert not {"hotpeers-webhooks", "hotpeers-names"} & names(*off)
    assert not {"hotpeers-webhooks", "hotpeers-names"} & names("guard.enabled=false")
