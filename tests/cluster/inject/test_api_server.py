"""`hotpeers controller` asked by a real API server, as the chart tells it to ask."""

import http.client
import itertools
import json
import signal
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from hotpeers.cli.main import cli
from kit.apiserver.client import Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import account_manifest
from kit.apiserver.server import Cluster
from kit.rival import FOLDER, rival
from kit.waiting import until
from kit.webhook import (
    SECONDS,
    Controller,
    cluster_with_accounts,
    containers,
    injected,
    pod,
    variables,
)

BOOTSTRAP = "/opt/hotpeers/hotpeers_shim/bootstrap"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(cluster_binaries: Path) -> Iterator[Cluster]:
    running = cluster_with_accounts(cluster_binaries)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def shared(server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    running = Controller(tmp_path_factory.mktemp("controller"), server, "--drain-seconds=15")
    server.api.create(running.configuration())
    yield running
    running.stop(signal.SIGKILL)


@pytest.fixture
def team(server: Cluster) -> Iterator[str]:
    """A namespace that enforces `restricted`, with a ServiceAccount `agent`."""
    name = f"team-{next(_NUMBERS)}"
    create_namespace(server.api, name, RESTRICTED)
    server.api.create(account_manifest(name, "agent"))
    yield name
    remove_namespace(server.api, name)


@pytest.fixture
def controller(server: Cluster, shared: Controller, team: str) -> Controller:
    """The controller, running, and asked by the server."""
    shared.start()
    wait_for_injection(server, team)
    return shared


def wait_for_injection(server: Cluster, namespace: str) -> None:
    probe = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"

    def asks() -> bool:
        return injected(server.api.request("POST", probe, pod(namespace, "probe")))

    until("the API server to ask the controller", asks, SECONDS)


def mounts(container: Object) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def test_an_annotated_pod_is_injected(server: Cluster, controller: Controller, team: str) -> None:
    before = controller.metric("hotpeers_injections_total")
    found = server.api.create(pod(team, "concierge"))
    assert injected(found)
    parts = containers(found)
    assert [one["name"] for one in found["spec"]["initContainers"]] == ["hotpeers"]
    assert "postStart" in parts["hotpeers"]["lifecycle"]
    assert parts["hotpeers"]["restartPolicy"] == "Always"
    environment = variables(parts["hotpeers"])
    assert environment["HOTPEERS_ORCHESTRATOR"] == f"{team}/concierge"
    assert environment["HOTPEERS_NAMESPACES"] == team
    assert variables(parts["kagent"])["PYTHONPATH"] == BOOTSTRAP
    # The sidecar has what Kubernetes gives the agent: one token, one volume.
    assert mounts(parts["hotpeers"])[TOKEN] == mounts(parts["kagent"])[TOKEN]
    assert sum("projected" in volume for volume in found["spec"]["volumes"]) == 1
    assert json.loads(found["metadata"]["annotations"]["hotpeers.dev/status"])["container"] == (
        "kagent"
    )
    # Asked once: nothing was left for Kubernetes to add that would make it ask again.
    assert controller.metric("hotpeers_injections_total") == before + 1
    assert controller.metric("hotpeers_injections_total", result="failed") == 0


def test_template_injected_without_a_cluster_is_accepted_and_left_unchanged(
    server: Cluster, controller: Controller, team: str
) -> None:
    template = pod(team, "concierge")
    labels = template["metadata"]["labels"]
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": team, "name": "concierge"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": template["metadata"]["annotations"],
                },
                "spec": template["spec"],
            },
        },
    }
    command = ["inject", "-f", "-", "-o", "json", "--image", "hotpeers:1"]
    done = CliRunner().invoke(cli, command, input=json.dumps(manifest).encode())
    assert done.stderr == f"Deployment {team}/concierge: injected\n"
    place = f"/apis/apps/v1/namespaces/{team}/deployments?fieldValidation=Strict"
    made = server.api.request("POST", place, json.loads(done.stdout))["spec"]["template"]
    assert injected(made)
    created = {"apiVersion": "v1", "kind": "Pod", **made}
    created["metadata"] |= {"namespace": team, "name": "concierge-1"}
    found = server.api.create(created)
    names = [one["name"] for one in made["spec"]["volumes"]]
    token = [one["name"] for one in found["spec"]["volumes"] if one["name"] not in names]
    assert len(token) == 1
    # Only Kubernetes adds something: its token, to the agent's own container.
    for one in containers(found).values():
        one["volumeMounts"] = [mount for mount in one["volumeMounts"] if mount["name"] not in token]
    assert containers(found) == containers(made)


def test_a_plain_pod_is_not_even_asked_about(
    server: Cluster, controller: Controller, team: str
) -> None:
    before = controller.metric("hotpeers_injections_total")
    found = server.api.create(pod(team, "plain", asked=False))
    assert set(containers(found)) == {"kagent"}
    create_namespace(server.api, "hotpeers-system")
    server.api.create(account_manifest("hotpeers-system", "agent"))
    assert not injected(server.api.create(pod("hotpeers-system", "own")))
    assert controller.metric("hotpeers_injections_total") == before


def test_skipped_pod_carries_the_reason(server: Cluster, controller: Controller, team: str) -> None:
    body = pod(team, "node", command=["node"])
    parts = urlsplit(server.url)
    connection = http.client.HTTPSConnection(
        str(parts.hostname), parts.port, context=server.access.context(), timeout=60
    )
    path = f"/api/v1/namespaces/{team}/pods"
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    assert answer.status == 201
    assert "NotPython" in str(answer.headers["Warning"])
    assert found["metadata"]["annotations"]["hotpeers.dev/skipped"].startswith("NotPython: ")
    assert set(containers(found)) == {"kagent"}
    assert controller.metric("hotpeers_injections_total", reason="NotPython") == 1


def test_a_pod_that_keeps_its_token_to_itself(
    server: Cluster, controller: Controller, team: str
) -> None:
    body = pod(team, "private")
    body["spec"]["automountServiceAccountToken"] = False
    found = server.api.create(body)
    assert injected(found)
    parts = containers(found)
    assert TOKEN in mounts(parts["hotpeers"])
    assert TOKEN not in mounts(parts["kagent"])


@pytest.mark.parametrize(("name", "first"), [("a-rival", BOOTSTRAP), ("z-rival", FOLDER)])
def test_injection_works_before_and_after_another_injector(
    server: Cluster, controller: Controller, team: str, tmp_path: Path, name: str, first: str
) -> None:
    with rival(tmp_path / "rival", name) as configuration:
        server.api.create(configuration)
        try:
            probe = f"/api/v1/namespaces/{team}/pods?dryRun=All"

            def both() -> list[str] | None:
                answer = server.api.request("POST", probe, pod(team, "probe"))
                path = variables(containers(answer)["kagent"]).get("PYTHONPATH", "")
                return path.split(":") if FOLDER in path and BOOTSTRAP in path else None

            path = until("both webhooks to be asked", both, SECONDS)
            assert path == [first, *({BOOTSTRAP, FOLDER} - {first})]
            assert injected(server.api.create(pod(team, "both")))
        finally:
            server.api.delete(configuration)


def test_a_quota_that_wants_every_limit(server: Cluster, controller: Controller, team: str) -> None:
    hard = {
        "requests.cpu": "4",
        "requests.memory": "4Gi",
        "limits.cpu": "8",
        "limits.memory": "8Gi",
    }
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "all", "namespace": team},
        "spec": {"hard": hard},
    }
    server.api.create(quota)
    # In the place of the controller that counts.
    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    server.api.patch(quota, {"status": status}, subresource="status")
    amounts = {"cpu": "1", "memory": "1Gi"}
    body = pod(team, "limited", resources={"requests": amounts, "limits": amounts})
    assert injected(server.api.create(body))


def test_pods_start_unchanged_without_a_controller(
    server: Cluster, controller: Controller, team: str
) -> None:
    controller.stop(signal.SIGKILL)
    assert set(containers(server.api.create(pod(team, "annotated")))) == {"kagent"}
    assert set(containers(server.api.create(pod(team, "plain", asked=False)))) == {"kagent"}


def test_a_certificate_is_replaced_with_no_gap(
    server: Cluster, controller: Controller, team: str
) -> None:
    stop = threading.Event()

    def create(worker: int) -> list[bool]:
        done = []
        while not stop.is_set():
            # A new connection for each: the API server keeps its own open otherwise.
            name = f"pod-{worker}-{len(done)}"
            done.append(injected(server.api.create(pod(team, name))))
        return done

    def shown() -> str:
        context = ssl.create_default_context(cafile=str(controller.authority.file))
        connection = http.client.HTTPSConnection("localhost", controller.port, context=context)
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        subject = dict(pair[0] for pair in (connection.sock.getpeercert() or {})["subject"])
        connection.close()
        return str(subject["commonName"])

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(create, number) for number in range(2)]
        try:
            for name in ("second", "third"):
                controller.issue(name)
                until(f"{name} to be shown", lambda name=name: shown() == name, SECONDS)
        finally:
            stop.set()
    done = [one for worker in workers for one in worker.result()]
    assert len(done) > 2
    assert all(done)


def test_bad_certificate_keeps_the_previous_one(
    server: Cluster, controller: Controller, team: str
) -> None:
    key = controller.certificates / "tls.key"
    good = key.read_bytes()
    key.write_bytes(b"none")
    until(
        "the unusable certificate in the log",
        lambda: "cannot be used" in controller.log.read_text(),
        SECONDS,
    )
    assert injected(server.api.create(pod(team, "still")))
    key.write_bytes(good)


def test_controller_keeps_serving_while_it_shuts_down(
    server: Cluster, controller: Controller, team: str
) -> None:
    controller.process.signal(signal.SIGTERM)
    until("the controller to be unready", lambda: controller.readiness() == 503, SECONDS)
    assert injected(server.api.create(pod(team, "late")))
    until("the controller to end", lambda: controller.process.pid is None, SECONDS)
    assert "ends: asked to" in controller.log.read_text()
    controller.stop()
