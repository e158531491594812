"""The controller as the chart runs it: its settings, under its ServiceAccount and no other rights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, Object
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.processes import Process, free_ports
from kit.apiserver.resources import account_manifest, bare_pod
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.chart.inventory import Item, inventory, left_over
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
def controller(own_cluster: Cluster, release: Release) -> Iterator[tuple[Process, int]]:
    """A replica, and the port of its health."""
    name = {"name": "hotpeers-controller", "namespace": PLACE}
    deployment = release.api.read({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": name})
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    fields = {"metadata.namespace": PLACE, "metadata.name": "hotpeers-controller-1"}
    environment = {
        one["name"]: one.get("value") or fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
        for one in container["env"]
    }
    account = ServiceAccount(own_cluster, PLACE, "hotpeers-controller")
    account.renew()
    listen, health = free_ports(2)
    environment |= {
        "KUBECONFIG": str(account.kubeconfig()),
        "HOTPEERS_LISTEN": f"127.0.0.1:{listen}",
        "HOTPEERS_HEALTH_LISTEN": f"127.0.0.1:{health}",
        "PYTHONPATH": ":".join(path for path in sys.path if path),
    }
    pairs = [f"{name}={value}" for name, value in environment.items()]
    command = ["/usr/bin/env", *pairs, sys.executable, "-m", "hotpeers", *container["args"]]
    process = Process(command, own_cluster.folder / "controller.log", "controller")
    process.start()
    yield process, health
    process.stop()


def is_ready(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def test_controller_works_survives_an_upgrade_and_uninstalls_cleanly(
    release: Release, controller: tuple[Process, int]
) -> None:
    process, port = controller
    until("the controller to be ready", lambda: is_ready(port), SECONDS)
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
