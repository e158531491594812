"""`hotpeers check` on a real API server, with the objects of k8s/install.yaml and a real webhook."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hotpeers.check.checks import AFTER
from hotpeers.cli.main import cli
from hotpeers.controller.certificates.authority import Lifetimes, new_keyring
from hotpeers.controller.certificates.secret import new_secret
from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Object, read_yaml
from kit.apiserver.kubeconfig import write_kubeconfig
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import AGENTS, account_manifest, install_crd
from kit.apiserver.server import Cluster
from kit.waiting import until
from kit.webhook import INSTALL, SECONDS, Controller, cluster_with_accounts, injected, pod

PLACE, TEAM, WEATHER = "hotpeers-system", "team", "weather"
SERVICE = "hotpeers-controller"
CRDS = INSTALL.parent / "crds"
NAMES = ["hotpeers-controller.hotpeers-system.svc"]
KIND = {"kind": "MutatingWebhookConfiguration"}
RING = new_keyring(NAMES, Lifetimes(), datetime.now(UTC))


def slices() -> Object:
    """The EndpointSlice that a cluster's controller keeps for a Service with ready pods."""
    metadata = {
        "namespace": PLACE,
        "name": f"{SERVICE}-x",
        "labels": {"kubernetes.io/service-name": SERVICE},
    }
    endpoint = {"addresses": ["10.1.2.3"], "conditions": {"ready": True}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "https", "port": 9443, "protocol": "TCP"}],
    }


def set_bundle(api: Any, name: str, bundle: bytes) -> None:
    """Write the caBundle of a configuration, as the controller does."""
    one = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
    }
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        if kind.startswith("Validating") and name != "hotpeers-guard":
            continue
        found = api.read({**one, "kind": kind})
        for hook in found["webhooks"]:
            hook["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
        api.request("PUT", api.path(found), found)


@pytest.fixture(scope="module")
def cluster(cluster_binaries: Path) -> Iterator[Cluster]:
    running = cluster_with_accounts(cluster_binaries)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def kubeconfig(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working installation, and the kubeconfig of its administrator."""
    api = cluster.api
    for one in read_yaml(INSTALL):
        api.apply(one)
    for file in sorted(CRDS.glob("*.yaml")):
        install_crd(api, file)
    for name in (TEAM, WEATHER):
        create_namespace(api, name)
        api.create(account_manifest(name, "default"))
    api.create(account_manifest(TEAM, "agent"))
    secret = new_secret(PLACE, "hotpeers-certificates", RING)
    # As the controller fills the empty Secret, whose type cannot be changed.
    api.patch(
        secret,
        {"data": secret["data"], "metadata": {"annotations": {"hotpeers.dev/certificates": "1"}}},
    )
    api.create(slices())
    for name in ("hotpeers-guard", "zz-hotpeers-hold"):
        set_bundle(api, name, RING.bundle)
    folder = tmp_path_factory.mktemp("check")
    running = Controller(folder / "controller", cluster)
    injector = running.configuration()
    api.delete(injector)
    api.create(injector)
    running.start()
    until("the webhook to be called", lambda: injected(tried(api)), SECONDS)
    yield cluster.access.write_kubeconfig(folder / "kubeconfig", TEAM)
    running.stop()


def tried(api: Any) -> Object:
    wanted = pod(TEAM, "tried")
    path = api.path(wanted, named=False)
    found: Object = api.request("POST", f"{path}?dryRun=All", wanted)
    return found


def check(kubeconfig: Path, *arguments: str) -> tuple[int, Object]:
    """The exit code and the report."""
    done = CliRunner().invoke(
        cli, ["check", "-o", "json", "--kubeconfig", str(kubeconfig), *arguments]
    )
    assert done.stderr == ""
    return done.exit_code, json.loads(done.stdout)


def found(report: Object) -> list[tuple[str, str]]:
    return [(one["reason"], one["where"]) for one in report["findings"]]


def test_working_installation_has_no_findings(kubeconfig: Path) -> None:
    code, report = check(kubeconfig)
    assert report["findings"] == []
    assert [one["result"] for one in report["checks"]] == ["passed"] * len(AFTER)
    assert code == 0


def test_cluster_is_ready_for_an_installation(kubeconfig: Path) -> None:
    code, report = check(kubeconfig, "--pre")
    assert (code, report["findings"]) == (0, [])


def test_webhook_without_endpoint_is_unreachable(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.api.delete(slices())
    try:
        code, report = check(kubeconfig)
    finally:
        cluster.api.create(slices())
    assert (code, found(report)) == (1, [("WebhookUnreachable", f"Service {PLACE}/{SERVICE}")])


def test_missing_definition_is_found(cluster: Cluster, kubeconfig: Path) -> None:
    file = CRDS / "spawnpolicies.hotpeers.dev.yaml"
    (crd,) = read_yaml(file)
    cluster.api.delete(crd)
    until("the definition to be gone", lambda: cluster.api.is_gone(crd), SECONDS)
    try:
        code, report = check(kubeconfig)
    finally:
        install_crd(cluster.api, file)
    where = "CustomResourceDefinition spawnpolicies.hotpeers.dev"
    assert (code, found(report)) == (1, [("DefinitionMissing", where)])


def test_older_definition_is_found(cluster: Cluster, kubeconfig: Path) -> None:
    file = CRDS / "peers.hotpeers.dev.yaml"
    (crd,) = read_yaml(file)
    read = cluster.api.read(crd)
    schema = read["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"].pop("description")
    cluster.api.request("PUT", cluster.api.path(crd), read)
    try:
        code, report = check(kubeconfig)
    finally:
        install_crd(cluster.api, file)
    where = "CustomResourceDefinition peers.hotpeers.dev"
    assert (code, found(report)) == (1, [("DefinitionOld", where)])
    assert report["findings"][0]["message"] == "it lacks spec.description"


def test_webhook_that_the_api_server_cannot_reach_is_found_by_the_dry_run(
    cluster: Cluster, kubeconfig: Path
) -> None:
    (injector,) = (
        one
        for one in cluster.api.list(
            "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"
        )["items"]
        if one["metadata"]["name"] == "hotpeers-injector"
    )
    injector |= {"apiVersion": "admissionregistration.k8s.io/v1", **KIND}
    dead = copy.deepcopy(injector["webhooks"])
    for hook in dead:
        hook["clientConfig"]["url"] = "https://127.0.0.1:9/inject"
    cluster.api.patch(injector, {"webhooks": dead})
    try:
        until("the other address to be used", lambda: not injected(tried(cluster.api)), SECONDS)
        code, report = check(kubeconfig)
    finally:
        cluster.api.patch(injector, {"webhooks": injector["webhooks"]})
        until("the webhook to be called", lambda: injected(tried(cluster.api)), SECONDS)
    assert (code, found(report)) == (1, [("InjectionNotDone", f"Namespace {TEAM}")])


def test_bundle_of_another_authority_is_wrong(cluster: Cluster, kubeconfig: Path) -> None:
    another = new_keyring(NAMES, Lifetimes(), datetime.now(UTC))
    set_bundle(cluster.api, "zz-hotpeers-hold", another.bundle)
    try:
        code, report = check(kubeconfig)
    finally:
        set_bundle(cluster.api, "zz-hotpeers-hold", RING.bundle)
    where = "MutatingWebhookConfiguration zz-hotpeers-hold, webhook hold.hotpeers.dev"
    assert (code, found(report)) == (1, [("CaBundleWrong", where)])


def test_missing_right_of_the_controller_is_found(cluster: Cluster, kubeconfig: Path) -> None:
    (binding,) = (
        one
        for one in read_yaml(INSTALL)
        if (one["kind"], one["metadata"]["name"])
        == ("ClusterRoleBinding", "hotpeers-controller-hold")
    )
    cluster.api.delete(binding)
    try:
        # The API server watches its own roles.
        until("the missing right", lambda: check(kubeconfig)[0] == 1, SECONDS)
        _, report = check(kubeconfig)
    finally:
        cluster.api.apply(binding)
        until("the right again", lambda: check(kubeconfig)[0] == 0, SECONDS)
    assert found(report) == [("AccountRightMissing", f"ServiceAccount {PLACE}/hotpeers-controller")]
    assert "list, patch, watch deployments.apps" in report["findings"][0]["message"]


def test_namespace_without_invitation_is_found(cluster: Cluster, kubeconfig: Path) -> None:
    asks = pod(TEAM, "concierge")
    asks["metadata"]["annotations"]["hotpeers.dev/namespaces"] = WEATHER
    cluster.api.create(asks)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WEATHER}}
    try:
        code, report = check(kubeconfig)
        invitation = {"metadata": {"annotations": {"hotpeers.dev/readers": TEAM}}}
        cluster.api.patch(space, invitation)
        invited = found(check(kubeconfig)[1])
    finally:
        cluster.api.delete(asks, gracePeriodSeconds=0)
    others = {reason for reason, _ in invited}
    assert code == 1
    assert ("ReadersNotInvited", f"Namespace {WEATHER}") in found(report)
    # The webhook of this test has an image of its own.
    assert others <= {"VersionsDiffer"}


def test_faults_of_workloads_are_found_together(cluster: Cluster, kubeconfig: Path) -> None:
    api = cluster.api
    install_crd(api, AGENTS)
    core = {"apiVersion": "v1"}
    node = {**core, "kind": "Node", "metadata": {"name": "old"}}
    quota = {
        **core,
        "kind": "ResourceQuota",
        "metadata": {"namespace": TEAM, "name": "tight"},
        "spec": {"hard": {"pods": "100"}},
    }
    event = {
        **core,
        "kind": "Event",
        "metadata": {"namespace": TEAM, "name": "rejected"},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "namespace": TEAM,
            "name": "desk-1",
        },
        "reason": "FailedCreate",
        "message": 'pods "desk-1-x" is forbidden: exceeded quota: tight',
        "type": "Warning",
    }
    policy = {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "SpawnPolicy",
        "metadata": {"namespace": TEAM, "name": "idle"},
        "spec": {},
    }
    asked = {"hotpeers.dev/inject": "true"}
    deployed = {"annotations": {**asked, "hotpeers.dev/bridge": "false"}}
    go = {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "Agent",
        "metadata": {"namespace": TEAM, "name": "swift"},
        "spec": {
            "type": "Declarative",
            "declarative": {
                "modelConfig": "m",
                "systemMessage": "s",
                "runtime": "go",
                "deployment": deployed,
            },
        },
    }
    desk = pod(TEAM, "desk")
    desk["metadata"]["annotations"]["hotpeers.dev/credentials"] = "keys"
    skipped = pod(TEAM, "script", command=["node"])
    lost = pod("kube-system", "lost")
    made = [node, quota, event, policy, go, desk, skipped, lost]
    api.create(account_manifest("kube-system", "agent"))
    # Quotas are counted by a controller, which does not run here; so its plug-in rejects no pod.
    for one in made:
        api.create(one)
    info = dict.fromkeys(
        ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "architecture"), ""
    )
    info |= dict.fromkeys(("containerRuntimeVersion", "kubeProxyVersion", "operatingSystem"), "")
    api.patch(node, {"status": {"nodeInfo": {**info, "kubeletVersion": "v1.27.1"}}}, "status")
    counted = {"hard": {"limits.memory": "1Gi"}, "used": {"limits.memory": "1000Mi"}}
    api.patch(quota, {"status": counted}, "status")
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}
    status = {
        "name": "hotpeers",
        "image": "hotpeers:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": pulling,
    }
    api.patch(desk, {"status": {"initContainerStatuses": [status]}}, "status")
    try:
        code, report = check(kubeconfig)
        (mine, _) = check(kubeconfig, "--namespace", WEATHER)
    finally:
        for one in made:
            api.delete(one, gracePeriodSeconds=0)
    assert (code, mine) == (1, 0)
    assert set(found(report)) == {
        ("KubeletTooOld", "Node old"),
        ("QuotaExceeded", f"ResourceQuota {TEAM}/tight"),
        ("QuotaExceeded", f"ReplicaSet {TEAM}/desk-1"),
        # The dry run is rejected too.
        ("QuotaExceeded", f"Namespace {TEAM}"),
        ("PolicyWithoutSubjects", f"SpawnPolicy {TEAM}/idle"),
        ("GoWithoutBridge", f"Agent {TEAM}/swift"),
        ("CredentialsMissing", f"Secret {TEAM}/keys"),
        ("ImageNotPulled", f"Pod {TEAM}/desk"),
        ("PodSkipped", f"Pod {TEAM}/script"),
        ("VersionsDiffer", f"Pod {TEAM}/desk"),
        ("NamespaceExcluded", "Namespace kube-system"),
    }


def test_user_with_few_rights_gets_what_he_may_know(cluster: Cluster, kubeconfig: Path) -> None:
    account = make_account(cluster, TEAM, "user", [rule("", "pods", "list")])
    code, report = check(account.kubeconfig(), "--namespace", TEAM)
    reasons = {reason for reason, _ in found(report)}
    assert reasons == {"ReadForbidden", "InjectionUntested"}
    assert code == 0
    results = {one["title"]: one["result"] for one in report["checks"]}
    assert results["no pod was skipped"] == "passed"
    assert results["the webhooks can be reached"] == "leftOut"


def test_without_rights_an_installation_is_refused(cluster: Cluster, kubeconfig: Path) -> None:
    account = make_account(cluster, TEAM, "nobody")
    code, report = check(account.kubeconfig(), "--pre")
    assert code == 1
    assert "InstallForbidden" in {reason for reason, _ in found(report)}


@pytest.mark.parametrize("url", ["https://127.0.0.1:9", ""])
def test_without_a_cluster_the_exit_code_is_2(tmp_path: Path, url: str) -> None:
    file = tmp_path / "kubeconfig"
    if url:
        write_kubeconfig(file, url)
    done = subprocess.run(
        [sys.executable, "-m", "hotpeers", "check", "--kubeconfig", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
