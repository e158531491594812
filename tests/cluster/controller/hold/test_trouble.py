"""What the leader cannot read or write, and marks that somebody else wrote."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster.controller.hold.leader import RULES, A, B, leading
from cluster.controller.hold.orchestrator import S_HASH, Orchestrator, saying
from hotpeers.controller.hold import case as case_module
from hotpeers.controller.hold.case import Case
from kit.apiserver.accounts import ServiceAccount, make_account
from kit.apiserver.client import Object, read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import agent
from kit.apiserver.server import Cluster
from kit.counting import count_calls
from kit.waiting import until, until_async
from kit.webhook import Controller


async def test_held_label_on_a_foreign_deployment_is_reported_and_ignored(
    lead: Orchestrator,
    account: ServiceAccount,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = count_calls(monkeypatch, Case, "look")
    manifest = lead.manifest(A)
    manifest["metadata"] = {
        "name": "other",
        "namespace": lead.namespace,
        "labels": {"hotpeers.dev/held": "true"},
        "annotations": {"hotpeers.dev/held-config-hash": "9", "hotpeers.dev/held-template-hash": A},
    }
    made = cluster.api.create(manifest)
    async with leading(account, ack_seconds=1.0) as leader:
        await until_async(
            "the problem HoldUnreadable", lambda: leader.reasons() == {"HoldUnreadable"}
        )
        version = made["metadata"]["resourceVersion"]
        assert cluster.api.read(made)["metadata"]["resourceVersion"] == version
        # Another configuration makes the leader look again.
        before = looks.count
        other = {"hotpeers.dev/held-config-hash": "8"}
        changed = cluster.api.patch(made, {"metadata": {"annotations": other}})
        await until_async("another look", lambda: looks.count > before)
        version = changed["metadata"]["resourceVersion"]
        assert cluster.api.read(made)["metadata"]["resourceVersion"] == version


async def test_hold_without_readable_annotations_is_taken_away(
    lead: Orchestrator, account: ServiceAccount, webhook: Controller
) -> None:
    webhook.stop()
    annotations = {"hotpeers.dev/held-config-hash": "x" * 1000}
    metadata = {"labels": {"hotpeers.dev/held": "true"}, "annotations": annotations}
    lead.api.patch(lead.reference, {"metadata": metadata})
    async with leading(account) as leader:
        await until_async(
            "the label of the hold to be removed",
            lambda: "hotpeers.dev/held" not in lead.read()["metadata"]["labels"],
        )
        await until_async(
            "the result to be overtaken", lambda: leader.results == [("overtaken", "")]
        )
        assert (lead.running, lead.held) == (A, "")


async def test_unreadable_secret_hashes_do_not_hold_for_ever(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.says = saying("live", hash="7")
    lead.api.delete(
        {
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "ModelConfig",
            "metadata": {"name": "small", "namespace": lead.namespace},
        }
    )
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until_async("the pods to run the new configuration", lambda: lead.running == B)
        await until_async(
            "the hold to be released", lambda: [one[0] for one in leader.results] == ["released"]
        )


@pytest.mark.parametrize("invited", [True, False])
async def test_server_of_another_namespace_counts_where_it_invites(
    lead: Orchestrator, account: ServiceAccount, cluster: Cluster, invited: bool
) -> None:
    away = f"{lead.namespace}-away"
    create_namespace(cluster.api, away)
    server = {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "RemoteMCPServer",
        "metadata": {"name": "tools", "namespace": away},
        "spec": {"allowedNamespaces": {"from": "All" if invited else "Same"}},
    }
    cluster.api.create(server)
    cluster.api.patch(server, {"status": {"secretHash": "cd" * 32}}, "status")
    tool = {"kind": "RemoteMCPServer", "name": "tools", "namespace": away}
    tools = [{"type": "McpServer", "mcpServer": tool}]
    one = agent(lead.namespace, "lead")
    cluster.api.patch(one, {"spec": {"declarative": {"tools": tools}}})
    try:
        async with leading(account, ack_seconds=1.0) as leader:
            lead.sync(B)
            if invited:
                await until_async("the hold to be live", lambda: leader.state() == "live")
                assert lead.asked_for()[0]["secrets"] == S_HASH + "cd" * 32
            else:
                await until_async(
                    "the pods to run the new configuration", lambda: lead.running == B
                )
                assert lead.asked_for() == [{}]
    finally:
        remove_namespace(cluster.api, away)


async def test_account_unknown_to_the_webhook_is_reported(
    lead: Orchestrator, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its release is held again: nothing loops, and a problem says what to set."""
    looks = count_calls(monkeypatch, Case, "look")
    other = make_account(
        cluster,
        lead.namespace,
        "stranger",
        cluster_rules=[
            each
            for one in read_yaml(FOLDER / "controller.yaml")
            if one["kind"] == "ClusterRole" and one["metadata"]["name"] in RULES
            for each in one["rules"]
        ],
    )
    lead.says = saying("restart")
    async with leading(other, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until_async("the problem HeldAgain", lambda: leader.reasons() == {"HeldAgain"}, 20.0)
        version = lead.versions()[0]
        before = looks.count
        await until_async("another try", lambda: looks.count > before)
        assert (lead.running, lead.held, lead.versions()[0]) == (A, B, version)


@contextmanager
def forbidden(cluster: Cluster, lead: Orchestrator) -> Iterator[None]:
    """A policy of the cluster that keeps the label of held Deployments where it is."""
    group = "admissionregistration.k8s.io/v1"
    rule_of = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments"],
    }
    held = "'hotpeers.dev/held' in {}.metadata.labels"
    keeps = f"!({held.format('oldObject')}) || {held.format('object')}"
    probe = "metadata.?annotations.?probe.orValue('')"
    policy: Object = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"keep-{lead.namespace}"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule_of]},
            "validations": [
                {"expression": keeps, "message": "labels stay"},
                {"expression": f"object.{probe} == oldObject.{probe}"},
            ],
        },
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": lead.namespace}}
    binding: Object = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy["metadata"]["name"]},
        "spec": {
            "policyName": policy["metadata"]["name"],
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": here},
        },
    }
    made = [cluster.api.create(policy), cluster.api.create(binding)]
    numbers = itertools.count()

    def is_enforced() -> bool:
        probe = {"metadata": {"annotations": {"probe": f"{next(numbers)}"}}}
        path = cluster.api.path(lead.reference)
        return bool(
            cluster.api.refusal("PATCH", path, probe, content_type="application/merge-patch+json")
        )

    try:
        until("the policy to be enforced", is_enforced)
        yield
    finally:
        for one in made:
            cluster.api.delete(one)


async def test_release_forbidden_by_a_policy_is_reported_and_retried(
    lead: Orchestrator,
    account: ServiceAccount,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The API server answers 422, as where the Deployment is another one by now."""
    monkeypatch.setattr(case_module, "OVERDUE_SECONDS", 4.0)
    lead.says = saying("restart")

    def overdue() -> list[str]:
        events = cluster.api.list("v1", "Event", lead.namespace)["items"]
        return [one["message"] for one in events if one["reason"] == "HoldNotReleased"]

    with forbidden(cluster, lead):
        async with leading(account, ack_seconds=1.0) as leader:
            lead.sync(B)
            await until_async(
                "the problem of labels that stay",
                lambda: any("labels stay" in one.message for one in leader.keeper.problems()),
            )
            assert (lead.running, lead.held) == (A, B)
            await until_async("the Event about the hold", overdue)
            waiting = leader.keeper.waiting_seconds
            assert waiting > 1.0
            # It is looked at again and again, and reported once.
            await until_async("more looks", lambda: leader.keeper.waiting_seconds > waiting + 2.5)
            (note,) = overdue()
            assert "labels stay" in note
            assert note.endswith("kubectl rollout restart applies it")
    async with leading(account, ack_seconds=1.0):
        await until_async(
            "the pods to run the new configuration without a hold",
            lambda: (lead.running, lead.held) == (B, ""),
            20.0,
        )
