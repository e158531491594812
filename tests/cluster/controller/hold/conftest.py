"""The controller's account, the webhook of the hold, and an orchestrator of kagent."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from cluster.controller.hold.leader import PLACE, RULES, USER, A
from cluster.controller.hold.orchestrator import Orchestrator, install_kinds, orchestrator
from kit.apiserver.accounts import ServiceAccount, make_account, rule
from kit.apiserver.client import read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import AGENTS, install_crd
from kit.apiserver.server import Cluster
from kit.webhook import Controller


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights that the manifests give it for this."""
    shared_cluster.start()
    create_namespace(shared_cluster.api, PLACE)
    rules = [
        each
        for one in read_yaml(FOLDER / "controller.yaml")
        if one["kind"] == "ClusterRole" and one["metadata"]["name"] in RULES
        for each in one["rules"]
    ]
    rules.append(rule("coordination.k8s.io", "leases", "get create update"))
    yield make_account(shared_cluster, PLACE, "hotpeers-controller", cluster_rules=rules)
    remove_namespace(shared_cluster.api, PLACE)


@pytest.fixture(scope="module")
def webhook(
    shared_cluster: Cluster, account: ServiceAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    install_crd(shared_cluster.api, AGENTS)
    install_kinds(shared_cluster.api)
    # In a namespace that does not exist there is no Lease: it answers, and never leads.
    flags = (f"--account={USER}", "--guard-configuration=none", "--namespace=nowhere")
    made = Controller(tmp_path_factory.mktemp("hold"), shared_cluster, *flags)
    made.start()
    configuration = made.configuration("zz-hotpeers-hold")
    shared_cluster.api.create(configuration)
    yield made
    shared_cluster.api.delete(configuration)
    made.stop(signal.SIGKILL)


@pytest.fixture
def lead(cluster: Cluster, webhook: Controller, namespace: str) -> Iterator[Orchestrator]:
    webhook.start()
    with orchestrator(cluster.api, namespace) as made:
        made.create(A)
        yield made
