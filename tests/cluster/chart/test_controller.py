"""The controller as the chart runs it: its settings, under its ServiceAccount and no other rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.apiserver.client import Api, Object
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import account_manifest, bare_pod
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.chart.inventory import Item, inventory, left_over
from kit.controller.deployed import Deployed
from kit.controller.injected import injected
from kit.waiting import until

PLACE, TEAM = "hotpeers-system", "team"
RBAC = "rbac.authorization.k8s.io/v1"
SECONDS = 60.0


@dataclass
class Release:
    """An installed chart, and the objects that existed before it."""

    api: Api
    helm: Helm
    before: set[Item]
    roles: dict[str, str]

    def bundle(self) -> str | None:
        """The caBundle of the webhooks, once each has it."""
        items = self.api.list("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
        found = {one["clientConfig"].get("caBundle") for one in items["items"][0]["webhooks"]}
        return str(found.pop()) if len(found) == 1 and None not in found else None

    def bindings(self) -> list[Object] | None:
        """The bindings that the controller made, once there are three."""
        query = {"labelSelector": "app.kubernetes.io/managed-by=hotpeers"}
        made = [
            one
            for kind in ("RoleBinding", "ClusterRoleBinding")
            for one in self.api.list(RBAC, kind, **query)["items"]
        ]
        return made if len(made) == 3 else None


@pytest.fixture
def release(own_cluster: Cluster, helm_program: Path) -> Release:
    own_cluster.start()
    api = own_cluster.api
    for name in (PLACE, TEAM):
        create_namespace(api, name)
    api.create(account_manifest(TEAM, "concierge"))
    api.create(injected(bare_pod(TEAM, "concierge")))
    before = inventory(api)
    helm = Helm(helm_program, own_cluster.kubeconfig)
    helm.install("hotpeers", PLACE, "crds.keep=false")
    roles = {
        role["metadata"]["name"]: role["metadata"]["uid"]
        for role in api.list(RBAC, "ClusterRole")["items"]
    }
    return Release(api, helm, before, roles)


@pytest.fixture
def controller(own_cluster: Cluster, release: Release) -> Iterator[Deployed]:
    """A replica."""
    assert release.roles
    replica = Deployed(own_cluster, "hotpeers-controller-1")
    replica.process.start()
    yield replica
    replica.process.stop()


def test_controller_works_survives_an_upgrade_and_uninstalls_cleanly(
    release: Release, controller: Deployed
) -> None:
    process = controller.process
    until("the controller to be ready", controller.is_ready, SECONDS)
    bundle = until("the caBundle", release.bundle, SECONDS)
    until("the bindings of the pod", release.bindings, SECONDS)
    release.helm.upgrade("hotpeers", PLACE, "crds.keep=false", "webhook.timeoutSeconds=1")
    assert release.bundle() == bundle
    made = until("the bindings still", release.bindings, SECONDS)
    assert "Forbidden" not in process.log.read_text()
    # Still running, as pods are for a while after their Deployment is deleted.
    release.helm.uninstall("hotpeers", PLACE)
    process.stop()
    # No garbage collector runs here: only the objects that it would delete are left.
    kinds = {"rolebindings", "clusterrolebindings"}
    left = left_over(release.api, release.before, may_be=kinds)
    assert {plural for _, plural, _, _ in left} == kinds
    assert len(left) == len(made)
    for binding in made:
        (owner,) = binding["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("ClusterRole", binding["roleRef"]["name"])
        assert owner["uid"] == release.roles[owner["name"]]
