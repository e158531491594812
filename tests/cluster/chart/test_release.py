"""Releases really installed, upgraded and uninstalled. There are no nodes: no pod ever starts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kit.apiserver.client import Api, ApiError, Object, read_yaml
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import AGENTS, PEERS, agent, install_crd, is_served, peer
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm, HelmError
from kit.chart.inventory import inventory, left_over
from kit.chart.operators import install_operators
from kit.chart.rendering import INSTALL
from kit.chart.variants import VARIANTS
from kit.waiting import until

PLACE = "hotpeers-system"
DEFINITIONS = {
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "", f"{plural}.hotpeers.dev")
    for plural in ("orchestrators", "peers", "spawnpolicies")
}
CONFIGURATION: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "hotpeers-injector"},
}
SECRET: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "hotpeers-certificates", "namespace": PLACE},
}
LEASE: Object = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "hotpeers-controller", "namespace": PLACE},
}
BUNDLE = "aG90cGVlcnM="


def write_bundle(api: Api) -> None:
    """Write the caBundle, as the controller does: one JSON patch of that field of each webhook."""
    change = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": BUNDLE}
        for index in range(2)
    ]
    kind = "application/json-patch+json"
    api.request("PATCH", api.path(CONFIGURATION), change, content_type=kind)


def webhook(api: Api) -> Object:
    """The first of both, which differ in nothing that is looked at here."""
    first, second = api.read(CONFIGURATION)["webhooks"]
    assert first["clientConfig"].get("caBundle") == second["clientConfig"].get("caBundle")
    return dict(first)


@pytest.fixture
def place(own_cluster: Cluster) -> str:
    """A new cluster with the namespace of the release."""
    own_cluster.start()
    create_namespace(own_cluster.api, PLACE)
    return PLACE


@pytest.fixture
def api(own_cluster: Cluster, place: str) -> Api:
    assert place
    return own_cluster.api


@pytest.fixture
def release(own_cluster: Cluster, helm_program: Path, place: str) -> Iterator[Helm]:
    """helm on that cluster."""
    assert place
    return Helm(helm_program, own_cluster.kubeconfig)


def wait_for_definitions(api: Api) -> None:
    """Wait until the objects of each definition can be listed: for a moment after a change not."""
    for file in sorted(PEERS.parent.glob("*.yaml")):
        (crd,) = read_yaml(file)
        until(f"{file.name} to be served", partial(is_served, api, crd), 60.0)


def test_uninstallation_leaves_only_the_crds_and_the_peers(api: Api, release: Helm) -> None:
    install_operators(api)
    before = inventory(api)
    release.install("hotpeers", PLACE)
    wait_for_definitions(api)
    weather = peer(PLACE, "weather")
    api.create(weather)
    release.upgrade("hotpeers", PLACE, *VARIANTS["everything"].sets)
    wait_for_definitions(api)
    kinds = {plural for _, plural, _, _ in inventory(api) - before}
    assert {"certificates", "podmonitors", "networkpolicies", "configmaps"} <= kinds
    assert "peers.hotpeers.dev" in release.uninstall("hotpeers", PLACE)
    may_be = {"customresourcedefinitions", "peers"}
    kept = {("hotpeers.dev/v1alpha1", "peers", PLACE, "weather")}
    assert left_over(api, before, may_be=may_be) == DEFINITIONS | kept
    # The same release finds its definition again.
    assert "There is no published image" in release.install("hotpeers", PLACE)
    assert api.read(weather)["spec"] == weather["spec"]


def test_uninstallation_without_keep_leaves_no_object(api: Api, release: Helm) -> None:
    before = inventory(api)
    release.install("hotpeers", PLACE, "crds.keep=false")
    # A CRD that is deleted before it was served also disappears, but the server is slow then.
    wait_for_definitions(api)
    release.uninstall("hotpeers", PLACE)
    assert left_over(api, before) == set()


def write_certificates(api: Api) -> None:
    """Fill the Secret, and take the Lease, as the controller does."""
    api.patch(SECRET, {"data": {"tls.crt": BUNDLE}, "metadata": {"annotations": {"a": "b"}}})
    lease = api.read(LEASE)
    lease["spec"] = {"holderIdentity": "one"}
    api.request("PUT", api.path(LEASE), lease)


def test_upgrade_keeps_objects_written_by_the_controller(api: Api, release: Helm) -> None:
    release.install("hotpeers", PLACE)
    assert "caBundle" not in webhook(api)["clientConfig"]
    write_bundle(api)
    write_certificates(api)
    release.upgrade("hotpeers", PLACE)
    assert webhook(api)["clientConfig"]["caBundle"] == BUNDLE
    release.upgrade("hotpeers", PLACE, "webhook.timeoutSeconds=1", "replicaCount=3")
    assert webhook(api)["timeoutSeconds"] == 1
    assert webhook(api)["clientConfig"]["caBundle"] == BUNDLE
    release.run("rollback", "hotpeers", "1", "--namespace", PLACE)
    assert webhook(api)["timeoutSeconds"] == 2
    assert webhook(api)["clientConfig"]["caBundle"] == BUNDLE
    assert api.read(SECRET)["data"] == {"tls.crt": BUNDLE}
    assert api.read(LEASE)["spec"]["holderIdentity"] == "one"


def test_repeated_apply_keeps_objects_written_by_the_controller(api: Api) -> None:
    for manifest in read_yaml(INSTALL):
        api.apply(manifest)
    write_bundle(api)
    write_certificates(api)
    for manifest in read_yaml(INSTALL):
        api.apply(manifest)
    assert webhook(api)["clientConfig"]["caBundle"] == BUNDLE
    assert api.read(SECRET)["data"] == {"tls.crt": BUNDLE}


def test_foreign_crd_is_not_adopted(api: Api, release: Helm) -> None:
    (crd,) = read_yaml(PEERS)
    api.create(crd)
    with pytest.raises(HelmError, match=r"peers\.hotpeers\.dev.*cannot be imported"):
        release.install("hotpeers", PLACE)
    release.install("hotpeers", PLACE, "crds.install=false")
    release.uninstall("hotpeers", PLACE)
    release.run("install", "hotpeers", release.chart, "--namespace", PLACE, "--take-ownership")


def test_uninstallation_warns_of_spawned_agents_and_the_command_removes_them(
    api: Api, release: Helm
) -> None:
    install_crd(api, AGENTS)
    create_namespace(api, "team")
    spawned = agent("team", "helper", labels={"hotpeers.dev/spawned": "true"})
    api.create(spawned)
    api.create(agent("team", "human"))
    command = (
        "kubectl delete agents.kagent.dev --all-namespaces --selector hotpeers.dev/spawned=true"
    )
    assert command in release.install("hotpeers", PLACE)
    assert command not in release.upgrade("hotpeers", PLACE, "guard.enabled=false")
    release.upgrade("hotpeers", PLACE, "guard.enabled=true")
    assert events(api) == []
    release.uninstall("hotpeers", PLACE)
    (event,) = events(api)
    assert (event["type"], event["reason"]) == ("Warning", "SpawnedAgentsStay")
    assert event["involvedObject"]["name"] == "hotpeers-controller"
    # The requests of the command, in each namespace.
    selector = "labelSelector=hotpeers.dev%2Fspawned%3Dtrue"
    api.request("DELETE", f"{api.path(spawned, named=False)}?{selector}")
    assert [one["metadata"]["name"] for one in agents(api)] == ["human"]
    # Once more: the earlier Event does not conflict.
    release.install("hotpeers", PLACE)
    release.uninstall("hotpeers", PLACE)
    assert len(events(api)) == 1


def test_no_event_is_written_without_a_guard(api: Api, release: Helm) -> None:
    release.install("hotpeers", PLACE, "guard.enabled=false")
    release.uninstall("hotpeers", PLACE)
    assert events(api) == []


def events(api: Api) -> list[Object]:
    return [
        one
        for one in api.list("v1", "Event", PLACE)["items"]
        if one["reason"] == "SpawnedAgentsStay"
    ]


def agents(api: Api) -> list[Object]:
    return list(api.list("kagent.dev/v1alpha2", "Agent", "team")["items"])


def test_second_release_in_a_cluster_is_refused(api: Api, release: Helm) -> None:
    release.install("hotpeers", PLACE)
    create_namespace(api, "other")
    with pytest.raises(HelmError, match="hotpeers-peers"):
        release.install("second", "other", "crds.install=false")
    with pytest.raises(ApiError, match="404"):
        api.request("GET", "/apis/apps/v1/namespaces/other/deployments/second-hotpeers-controller")
