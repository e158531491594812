"""What the webhook of the hold makes of updates that others send."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.controller.hold.leader import A, B
from cluster.controller.hold.orchestrator import HASH, Orchestrator
from kit.apiserver.client import ApiError, Object, read_yaml
from kit.apiserver.server import Cluster
from kit.webhook import Controller


async def test_dry_run_leaves_no_trace(lead: Orchestrator, webhook: Controller) -> None:
    before, counted = lead.versions(), webhook.metric("hotpeers_hold_requests_total")
    change = {"spec": {"template": {"metadata": {"annotations": {HASH: B}}}}}
    path = f"{lead.api.path(lead.reference)}?dryRun=All"
    answer = lead.api.request("PATCH", path, change, content_type="application/merge-patch+json")
    assert answer["metadata"]["annotations"]["hotpeers.dev/held-config-hash"] == B
    assert lead.versions() == before
    assert webhook.metric("hotpeers_hold_requests_total") == counted


@pytest.mark.parametrize("manager", ["argocd-controller", "kustomize-controller"])
async def test_repeated_server_side_apply_changes_nothing(lead: Orchestrator, manager: str) -> None:
    path = f"{lead.api.path(lead.reference)}?fieldManager={manager}&force=true"

    def apply(config: str) -> Object:
        return lead.api.request(
            "PATCH", path, lead.manifest(config), content_type="application/apply-patch+yaml"
        )

    apply(A)
    apply(B)
    assert (lead.running, lead.held) == (A, B)
    apply(B)
    version = lead.versions()[0]
    for _ in range(5):
        apply(B)
    assert (lead.running, lead.held, lead.versions()[0]) == (A, B, version)


async def test_replace_without_our_marks_changes_nothing(lead: Orchestrator) -> None:
    lead.sync(B)
    version = lead.versions()[0]
    bare = lead.manifest(B)
    bare["spec"]["replicas"] = 1
    bare["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    lead.api.request("PUT", lead.api.path(lead.reference), bare)
    assert (lead.running, lead.held, lead.versions()[0]) == (A, B, version)


async def test_equal_quantity_in_another_notation_is_not_a_change(lead: Orchestrator) -> None:
    def quantity(one: Object) -> None:
        container = one["spec"]["template"]["spec"]["containers"][0]
        container["resources"]["requests"]["cpu"] = "100m"
        container["imagePullPolicy"] = "IfNotPresent"
        container["command"] = []

    lead.sync(B, quantity)
    assert (lead.running, lead.held) == (A, B)


async def test_deployments_of_others_are_not_asked_about(
    lead: Orchestrator, webhook: Controller, cluster: Cluster
) -> None:
    counted = webhook.metric("hotpeers_hold_requests_total")
    manifest = lead.manifest(A)
    manifest["metadata"] = {"name": "other", "namespace": lead.namespace}
    made = cluster.api.create(manifest)
    cluster.api.patch(made, {"spec": {"template": {"metadata": {"annotations": {HASH: B}}}}})
    cluster.api.patch(lead.reference, {"metadata": {"annotations": {"a": "b"}}})
    assert webhook.metric("hotpeers_hold_requests_total") == counted


async def test_big_templates_pass(lead: Orchestrator) -> None:
    """A template of nearly what an API server stores is read like any other."""

    def big(one: Object) -> None:
        env = [{"name": f"V{i}", "value": "x" * 1000} for i in range(900)]
        one["spec"]["template"]["spec"]["containers"][0]["env"] = env

    lead.sync(A, big)
    lead.roll()
    try:
        lead.sync(B, big)
    except ApiError as error:
        raise AssertionError("it was refused") from error
    assert (lead.running, lead.held) == (A, B)


def test_webhook_is_called_last_and_fails_open() -> None:
    (found,) = (
        one
        for one in read_yaml(Path(__file__).parents[4] / "k8s/install.yaml")
        if one["metadata"]["name"] == "zz-hotpeers-hold" and "webhooks" in one
    )
    (hook,) = found["webhooks"]
    assert (hook["failurePolicy"], hook["timeoutSeconds"]) == ("Ignore", 2)
    assert hook["reinvocationPolicy"] == "Never"
