"""Pods of Agents at a real API server: the Agent and the Namespace decide, with the least rights.

The controller runs as its own account, which has only the rights of k8s/rbac/controller.yaml.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from hotpeers.controller.admission import owners as owners_module
from hotpeers.controller.admission.owners import READ_SECONDS, Owners
from hotpeers.inject.effective import Sources
from hotpeers.inject.review import Request
from hotpeers.kube.client import Client
from hotpeers.kube.reasons import KubeReason
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, Object, read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.proxy import Proxy
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import AGENTS, account_manifest, agent, install_crd
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of
from kit.waiting import until
from kit.webhook import SECONDS, Controller, containers, injected

INJECT, SPAWN, SELECTOR = "hotpeers.dev/inject", "hotpeers.dev/spawn", "hotpeers.dev/selector"
OPTED_IN = {"hotpeers.dev/injection": "enabled"}
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster) -> ServiceAccount:
    """The controller's own account, which has all of its rights."""
    install_crd(shared_cluster.api, AGENTS)
    (role,) = (
        one
        for one in read_yaml(FOLDER / "controller.yaml")
        if (one["kind"], one["metadata"]["name"]) == ("ClusterRole", "hotpeers-controller-owners")
    )
    name = f"owners-{os.getpid()}"
    create_namespace(shared_cluster.api, name)
    shared_cluster.api.create(account_manifest(name, "controller"))
    made = ServiceAccount(shared_cluster, name, "controller")
    made.renew()
    made.bind(role["rules"], "*")
    return made


@pytest.fixture(scope="module")
def controller(
    shared_cluster: Cluster, account: ServiceAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    """One controller. The server calls it through the chart's webhook configuration."""
    flags = (f"--kubeconfig={account.kubeconfig()}", "--guard-configuration=none")
    running = Controller(tmp_path_factory.mktemp("owners"), shared_cluster, *flags)
    configuration = running.configuration()
    shared_cluster.api.create(configuration)
    running.start()
    yield running
    shared_cluster.start()
    shared_cluster.api.delete(configuration)
    running.stop(signal.SIGKILL)


def make_team(api: Api, labels: dict[str, str], **annotations: str) -> str:
    """A namespace whose pods the server is known to ask about."""
    name = f"owned-{os.getpid()}-{next(_NUMBERS)}"
    create_namespace(api, name, labels)
    if annotations:
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.patch(place, {"metadata": {"annotations": annotations}})
    probe = f"/api/v1/namespaces/{name}/pods?dryRun=All"
    asked = pod(name, "probe", owned=False, **{INJECT: "true"})
    until(
        "the API server to ask",
        lambda: injected(api.request("POST", probe, asked)),
        SECONDS,
    )
    return name


@pytest.fixture
def team(cluster: Cluster, controller: Controller) -> Iterator[str]:
    """A namespace that did not opt in."""
    name = make_team(cluster.api, {})
    yield name
    remove_namespace(cluster.api, name)


@pytest.fixture
def opted(cluster: Cluster, controller: Controller) -> Iterator[str]:
    """A namespace that did, with a default."""
    name = make_team(cluster.api, OPTED_IN, **{SELECTOR: "team=one", "owner": "me"})
    yield name
    remove_namespace(cluster.api, name)


def pod(namespace: str, name: str, *, owned: bool = True, **annotations: str) -> Object:
    """A pod as the Deployment of the Agent `name` makes it."""
    number = next(_NUMBERS)
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{name}-5d8f",
        "uid": f"0-{number}",
        "controller": True,
    }
    labels = {"app": "kagent", "kagent": name, "pod-template-hash": "5d8f"}
    metadata: Object = {"name": f"{name}-5d8f-{number}", "namespace": namespace}
    metadata |= {"labels": labels, "annotations": annotations}
    if owned:
        metadata["ownerReferences"] = [owner]
    spec = {
        "serviceAccountName": name,
        "containers": [{"name": "kagent", "image": "ghcr.io/kagent-dev/kagent/app:0.10.4"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def write_agent(api: Api, namespace: str, name: str, annotations: Any, **more: Any) -> Object:
    """Apply an Agent whose pods are to have these annotations, as its owner edits it."""
    # Applied with an empty map, the API server would make null of the one before.
    deployment: Object = {"replicas": 1, **({"annotations": annotations} if annotations else {})}
    declarative = {"runtime": "python", "deployment": deployment, **more}
    return api.apply(agent(namespace, name, declarative=declarative))


def said(found: Object) -> dict[str, str]:
    annotations = found["metadata"].get("annotations", {})
    return {name: value for name, value in annotations.items() if name != "hotpeers.dev/status"}


# -- removal on kagent


def test_annotations_taken_from_the_agent_are_off_the_next_pod(cluster: Cluster, team: str) -> None:
    api = cluster.api
    both = {INJECT: "true", SPAWN: "true"}
    write_agent(api, team, "concierge", both)
    assert injected(api.create(pod(team, "concierge", **both)))
    write_agent(api, team, "concierge", {INJECT: "true"})
    # kagent merges annotations: removed ones are still in the template, and so on each pod.
    found = api.create(pod(team, "concierge", **both))
    assert said(found) == {INJECT: "true"}
    assert set(containers(found)) == {"hotpeers", "kagent"}
    write_agent(api, team, "concierge", {})
    found = api.create(pod(team, "concierge", **both))
    assert said(found) == {}
    assert set(containers(found)) == {"kagent"}
    assert "hotpeers.dev/injected" not in found["metadata"]["labels"]


def test_byo_agent_decides_too(cluster: Cluster, team: str) -> None:
    manifest = agent(team, "byo", type="BYO", byo={"deployment": {"image": "mine:1"}})
    del manifest["spec"]["declarative"]
    cluster.api.apply(manifest)
    assert said(cluster.api.create(pod(team, "byo", **{INJECT: "true"}))) == {}


def test_edit_of_an_agent_applies_to_its_next_pod(cluster: Cluster, team: str) -> None:
    for number in range(20):
        annotations = {INJECT: "true", SELECTOR: f"team=n{number}"} if number % 2 else {}
        write_agent(cluster.api, team, "quick", annotations)
        found = cluster.api.create(pod(team, "quick", **{INJECT: "true", SELECTOR: "team=old"}))
        assert said(found) == annotations
        assert injected(found) == bool(annotations)


def test_pod_without_an_agent_keeps_its_annotations(cluster: Cluster, team: str) -> None:
    write_agent(cluster.api, team, "concierge", {})
    asked = {INJECT: "true"}
    # A label by hand, and an Agent that does not exist.
    assert injected(cluster.api.create(pod(team, "concierge", owned=False, **asked)))
    assert injected(cluster.api.create(pod(team, "nobody", **asked)))


def test_missing_right_is_reported_and_pods_keep_their_annotations(
    cluster: Cluster, team: str, tmp_path: Path, controller: Controller
) -> None:
    cluster.api.create(account_manifest(team, "powerless"))
    powerless = ServiceAccount(cluster, team, "powerless")
    powerless.renew()
    write_agent(cluster.api, team, "concierge", {})
    flags = (f"--kubeconfig={powerless.kubeconfig()}", "--guard-configuration=none")
    other = Controller(tmp_path / "other", cluster, *flags)
    other.start()
    try:
        configuration = other.configuration()
        configuration["metadata"]["name"] = "a-powerless"
        cluster.api.create(configuration)
        try:

            def kept() -> bool:
                found = cluster.api.create(pod(team, "concierge", **{INJECT: "true"}))
                return injected(found)

            until("the pod to be injected by its own annotation", kept, SECONDS)
            assert "grant get on agents" in other.log.read_text()
        finally:
            cluster.api.delete(configuration)
    finally:
        other.stop(signal.SIGKILL)


def asked(namespace: str, name: str) -> Request:
    return Request("1", pod(namespace, name), namespace)


async def test_silent_server_delays_briefly_and_yields_no_defaults(
    cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    install_crd(cluster.api, AGENTS)
    manifest = agent(namespace, "concierge", declarative={"runtime": "python"})
    cluster.api.create(manifest)
    access = replace(cluster.access, url=proxy.url)
    async with client_of(access.write_kubeconfig(tmp_path / "kubeconfig", namespace)) as client:
        owners = Owners(client)
        found = await owners.sources(asked(namespace, "concierge"), opted_in=True)
        assert found.agent is not None
        assert found.namespace == {}
        proxy.black_hole()
        began = time.monotonic()
        assert await owners.sources(asked(namespace, "concierge"), opted_in=False) == Sources()
        found = await owners.sources(asked(namespace, "concierge"), opted_in=True)
        assert found.unknown is not None
        # Less than the least timeout of a webhook, for each.
        assert time.monotonic() - began < 2 * (READ_SECONDS + 0.4)
        assert [one.reason for one in owners.problems()] == [KubeReason.API_UNREACHABLE]
        proxy.heal()
        found = await owners.sources(asked(namespace, "concierge"), opted_in=True)
        assert found.agent is not None


async def test_older_version_is_read_where_the_newer_is_not_served(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_crd(cluster.api, AGENTS)
    monkeypatch.setattr(owners_module, "_VERSIONS", ("v9", "v1alpha2"))
    write_agent(cluster.api, namespace, "concierge", {INJECT: "true"})
    async with client_of(cluster.kubeconfig) as client:
        found = await Owners(client).sources(asked(namespace, "concierge"), opted_in=False)
        assert found.agent is not None
        assert found.agent.annotations == {INJECT: "true"}
        none = await Owners(client).sources(asked(namespace, "nobody"), opted_in=False)
        assert none == Sources()


@pytest.mark.parametrize("namespace", ["../secrets", "a/b", "A", "", "a" * 64, "a?watch=1"])
async def test_malformed_namespace_is_not_requested(namespace: str) -> None:
    # A client that is not entered fails for every request.
    unusable = cast("Client", object())
    assert await Owners(unusable).sources(asked(namespace, "a"), opted_in=True) == Sources()


async def test_controller_without_a_server_leaves_pods_as_they_say() -> None:
    owners = Owners(None)
    assert await owners.sources(asked("team", "a"), opted_in=False) == Sources()
    assert (await owners.sources(asked("team", "a"), opted_in=True)).unknown is not None
    assert owners.problems() == ()


# -- Namespaces that opt in


def test_namespace_injects_every_agent(cluster: Cluster, opted: str) -> None:
    write_agent(cluster.api, opted, "concierge", {})
    found = cluster.api.create(pod(opted, "concierge"))
    assert said(found) == {INJECT: "true", SELECTOR: "team=one"}
    assert injected(found)


def test_agent_opts_out(cluster: Cluster, opted: str) -> None:
    write_agent(cluster.api, opted, "concierge", {INJECT: "false"})
    assert not injected(cluster.api.create(pod(opted, "concierge", **{INJECT: "false"})))
    # The annotation is not on the pod yet: the Agent was edited a moment ago.
    assert not injected(cluster.api.create(pod(opted, "concierge")))


def test_other_pods_of_the_namespace_are_not_injected(
    cluster: Cluster, opted: str, controller: Controller
) -> None:
    assert not injected(cluster.api.create(pod(opted, "nobody")))
    assert not injected(cluster.api.create(pod(opted, "nobody", owned=False)))
    before = controller.metric("hotpeers_injections_total")
    plain = pod(opted, "plain", owned=False)
    plain["metadata"]["labels"] = {"app": "web"}
    cluster.api.create(plain)
    assert controller.metric("hotpeers_injections_total") == before


def test_namespace_with_disabled_injection_gets_no_sidecar(cluster: Cluster, team: str) -> None:
    write_agent(cluster.api, team, "concierge", {INJECT: "true"})
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}}
    cluster.api.patch(place, {"metadata": {"labels": {"hotpeers.dev/injection": "disabled"}}})
    probe = f"/api/v1/namespaces/{team}/pods?dryRun=All"
    asked = pod(team, "concierge", **{INJECT: "true"})
    until(
        "the API server not to ask",
        lambda: not injected(cluster.api.request("POST", probe, asked)),
        SECONDS,
    )
    assert not injected(cluster.api.create(asked))


@pytest.mark.parametrize("value", ["true", "Enabled", ""])
def test_label_with_another_value_is_ignored(
    cluster: Cluster, controller: Controller, value: str
) -> None:
    name = make_team(cluster.api, {"hotpeers.dev/injection": value}, **{SELECTOR: "team=one"})
    write_agent(cluster.api, name, "concierge", {})
    assert not injected(cluster.api.create(pod(name, "concierge")))
    remove_namespace(cluster.api, name)


def test_pod_is_sent_once(cluster: Cluster, opted: str, controller: Controller) -> None:
    write_agent(cluster.api, opted, "concierge", {INJECT: "true"})
    before = controller.metric("hotpeers_injections_total")
    found = cluster.api.create(pod(opted, "concierge", **{INJECT: "true"}))
    assert said(found) == {INJECT: "true", SELECTOR: "team=one"}
    assert controller.metric("hotpeers_injections_total") == before + 1


def test_spawned_agent_is_not_injected_by_its_namespace(cluster: Cluster, opted: str) -> None:
    manifest = agent(opted, "spawned", declarative={"runtime": "python"})
    manifest["metadata"]["annotations"] = {"hotpeers.dev/spawned-by": "team/concierge"}
    cluster.api.apply(manifest)
    assert not injected(cluster.api.create(pod(opted, "spawned")))


# -- telling the owner


def events(api: Api, uid: str) -> list[Object]:
    return [
        one
        for one in api.list("v1", "Event")["items"]
        if one["involvedObject"].get("uid") == uid and one["reason"] == "NotInjected"
    ]


@pytest.mark.parametrize("place", ["team", "opted"])
def test_go_agent_gets_a_bridge(
    cluster: Cluster, request: pytest.FixtureRequest, place: str
) -> None:
    namespace = request.getfixturevalue(place)
    annotations = {INJECT: "true"} if place == "team" else {}
    write_agent(cluster.api, namespace, "bridged", annotations, runtime="go")
    body = pod(namespace, "bridged", **annotations)
    body["spec"]["volumes"] = [{"name": "config", "secret": {"secretName": "bridged"}}]
    body["spec"]["containers"][0] |= {
        "image": "registry.example/mirror/kagent-go-runtime:0.10.0",
        "args": ["--filepath", "/config"],
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    found = cluster.api.create(body)
    assert set(containers(found)) == {"kagent", "hotpeers"}
    agent = containers(found)["kagent"]
    assert agent["args"] == ["--filepath", "/var/run/hotpeers/config"]
    assert "PYTHONPATH" not in {one["name"] for one in agent["env"]}
    assert containers(found)["hotpeers"]["command"][-1] == "hotpeers.supervisor"


@pytest.mark.parametrize("place", ["team", "opted"])
def test_owner_of_a_go_agent_is_warned(
    cluster: Cluster, request: pytest.FixtureRequest, place: str
) -> None:
    namespace = request.getfixturevalue(place)
    annotations = {INJECT: "true"} if place == "team" else {}
    made = write_agent(cluster.api, namespace, "gopher", annotations, runtime="go")
    dry = pod(namespace, "gopher", **annotations)
    dry["spec"]["containers"][0]["image"] = "registry.example/mirror/kagent-go-runtime:0.10.0"
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
    found = cluster.api.request("POST", path, dry)
    skipped = found["metadata"]["annotations"]["hotpeers.dev/skipped"]
    assert skipped.startswith("BridgeConfigNotFound: ")
    for _ in range(3):
        cluster.api.create({**dry, "metadata": pod(namespace, "gopher", **annotations)["metadata"]})
    uid = made["metadata"]["uid"]
    (event,) = until("the Event", lambda: events(cluster.api, uid), SECONDS)
    assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "gopher")
    assert "BridgeConfigNotFound" in event["message"]
    assert len(event["message"].encode()) <= 1024
