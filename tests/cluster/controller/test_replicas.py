"""Replicas of `hotpeers controller` as processes: together, killed, frozen, without rights."""

import base64
import json
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hotpeers.controller.rbac.grants import ROLES
from kit.apiserver.accounts import ServiceAccount, make_account, rule
from kit.apiserver.client import Api, Object, read_yaml
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import bare_pod
from kit.apiserver.server import Cluster
from kit.controller.injected import injected
from kit.controller.process import SECONDS, Controller
from kit.controller.scene import read
from kit.waiting import until

Make = Callable[..., Controller]
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/hotpeers-controller"
RULES = [
    rule("", "pods namespaces", "list watch"),
    rule(
        "rbac.authorization.k8s.io",
        "rolebindings clusterrolebindings clusterroles",
        "list watch get create delete bind",
    ),
    rule("", "secrets", "list watch create patch"),
    rule("coordination.k8s.io", "leases", "get create update"),
]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a replica, not started yet."""
    made: list[Controller] = []

    def one(name: str, kubeconfig: Path, namespace: str, **flags: str) -> Controller:
        flags = {"webhook_configuration": f"none-{namespace}", **flags}
        made.append(Controller(tmp_path / name, kubeconfig, namespace, **flags))
        return made[-1]

    yield one
    for replica in made:
        replica.stop(signal.SIGKILL)


@pytest.fixture
def tidy(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Takes away what no controller does."""
    yield
    clean(cluster.api, namespace)


def clean(api: Api, namespace: str) -> None:
    kinds = [("v1", "Pod"), ("rbac.authorization.k8s.io/v1", "RoleBinding")]
    for version, kind in kinds:
        for one in api.list(version, kind, namespace)["items"]:
            api.delete({"apiVersion": version, "kind": kind, **one}, gracePeriodSeconds=0)
    for one in api.list(kinds[1][0], "ClusterRoleBinding")["items"]:
        if namespace in one["metadata"]["name"]:
            api.delete({"apiVersion": kinds[1][0], "kind": "ClusterRoleBinding", **one})


def bindings(api: Api, namespace: str) -> set[tuple[str, str]]:
    """(ServiceAccount, ClusterRole) of each RoleBinding of a namespace to a role of ours."""
    items = api.list("rbac.authorization.k8s.io/v1", "RoleBinding", namespace)["items"]
    return {
        (one["subjects"][0]["name"], one["roleRef"]["name"])
        for one in items
        if one["roleRef"]["name"] in ROLES
    }


def leader_of(*replicas: Controller) -> Controller:
    def find() -> Controller | None:
        found = [one for one in replicas if one.leads()]
        assert len(found) <= 1
        return found[0] if found else None

    return until("a replica to lead", find, SECONDS)


@pytest.mark.usefixtures("tidy")
def test_two_replicas_share_a_certificate_and_one_leads(
    make: Make, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    for one in read_yaml(FOLDER / "roles.yaml"):
        cluster.api.apply(one)
    name = f"injector-{namespace}"
    webhook: Object = {
        "name": "inject.hotpeers.dev",
        "clientConfig": {"url": "https://localhost:9/inject"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    configuration: Object = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
    cluster.api.create(configuration)
    try:
        two = [
            make(which, cluster.kubeconfig, namespace, webhook_configuration=name)
            for which in ("a", "b")
        ]
        for one in two:
            one.start()
        for one in two:
            one.until_ready()
        assert two[0].certificate() == two[1].certificate()
        leader = leader_of(*two)
        metric = "hotpeers_controller_leader"
        until(
            "one to lead by its metric",
            lambda: sorted(one.metric(metric) for one in two) == [0.0, 1.0],
            SECONDS,
        )
        days = two[0].metric("hotpeers_certificate_expiry_seconds") / 86400
        assert 29.0 < days < 30.0

        def bundle() -> str | None:
            (found,) = cluster.api.read(configuration)["webhooks"]
            return found["clientConfig"].get("caBundle")

        until("the caBundle", bundle, SECONDS)
        cluster.api.patch(configuration, {"webhooks": [webhook]})
        until("the caBundle to be there again", bundle, SECONDS)
        authority = tmp_path / "ca.crt"
        kept = cluster.api.request(
            "GET", f"/api/v1/namespaces/{namespace}/secrets/hotpeers-certificates"
        )
        assert kept["data"]["ca.crt"] == bundle()
        authority.write_bytes(base64.b64decode(kept["data"]["ca.crt"]))
        context = ssl.create_default_context(cafile=str(authority))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        host = f"hotpeers-controller.{namespace}.svc"
        with (
            socket.create_connection(("127.0.0.1", two[1].port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            assert secure.version() == "TLSv1.3"
        cluster.api.create(injected(bare_pod(namespace, "alice")))
        until("the bindings", lambda: len(bindings(cluster.api, namespace)) == 2, SECONDS)
        until(
            "its metric",
            lambda: leader.metric("hotpeers_reader_bindings") == 3.0,
            SECONDS,
        )
        until("no problems", lambda: leader.status()["problems"] == [], SECONDS)
    finally:
        cluster.api.delete(configuration)


def test_other_replica_leads_after_a_kill_and_a_graceful_end(
    make: Make, cluster: Cluster, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [make(which, cluster.kubeconfig, namespace) for which in ("a", "b")]
    for one in two:
        one.start()
        one.until_ready()
    first = leader_of(*two)
    (second,) = [one for one in two if one is not first]
    until("the second to see the leader", lambda: second.status()["leader"], SECONDS)
    first.stop(signal.SIGKILL)
    began = time.monotonic()
    until("the other to lead", second.leads, SECONDS)
    killed = time.monotonic() - began
    first.start()
    first.until_ready()
    until("the first to see the leader", lambda: first.status()["leader"], SECONDS)
    began = time.monotonic()
    second.stop()
    until("the first to lead again", first.leads, SECONDS)
    ended = time.monotonic() - began
    # Less than the duration of the Lease: it was given back.
    assert ended < 13
    with capsys.disabled():
        print(
            f"\ncontroller: another leads {killed:.1f} s after a kill, {ended:.1f} s after an end"
        )


def test_frozen_leader_sends_no_write_after_it_lost_the_lease(
    make: Make, own_cluster: Cluster, tmp_path: Path
) -> None:
    policy, audit = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text(
        json.dumps(
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata", "verbs": ["create", "update", "patch", "delete"]}],
            }
        )
    )
    own_cluster.add_flags(f"--audit-policy-file={policy}", f"--audit-log-path={audit}")
    own_cluster.start()
    api, namespace = own_cluster.api, "frozen"
    create_namespace(api, namespace)
    for one in read_yaml(FOLDER / "roles.yaml"):
        api.apply(one)
    two: list[Controller] = []
    accounts: dict[str, ServiceAccount] = {}
    for which in ("a", "b"):
        accounts[which] = make_account(own_cluster, namespace, which, cluster_rules=RULES)
        two.append(make(which, accounts[which].kubeconfig(), namespace, webhook_configuration=""))
        two[-1].start()
        two[-1].until_ready()
    frozen = leader_of(*two)
    (other,) = [one for one in two if one is not frozen]
    # In the middle of its work, so that it would go on with it.
    pods = [injected(bare_pod(namespace, f"account-{i}", f"pod-{i}")) for i in range(150)]
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(api.create_all, pods, 1)
        until("some bindings", lambda: len(bindings(api, namespace)) > 20, SECONDS)
        frozen.process.signal(signal.SIGSTOP)
        assert len(bindings(api, namespace)) < 280
        creating.result()
    until("the other to lead", other.leads, SECONDS)
    until("all bindings", lambda: len(bindings(api, namespace)) == 300, SECONDS)
    frozen.process.signal(signal.SIGCONT)
    until(
        "it to see who leads",
        lambda: frozen.status().get("leader", "").startswith(f"{other.name}_"),
        SECONDS,
    )
    until(
        "the end of its term in the log",
        lambda: "not leading any more" in frozen.log.read_text(),
        SECONDS,
    )
    assert other.leads()
    lease = read(api, LEASES.format(namespace))
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 1
    codes = list(writes(audit, accounts[frozen.name], after=lease["spec"]["acquireTime"]))
    # What was on its way to the socket, no more than is done at a time; and it came too late (409),
    # or was given up on the way (504).
    assert len(codes) <= 8
    assert set(codes) <= {409, 504}
    assert 201 in set(writes(audit, accounts[other.name], after=lease["spec"]["acquireTime"]))


def test_replicas_keep_serving_during_an_api_server_outage(
    make: Make, own_cluster: Cluster
) -> None:
    own_cluster.start()
    api, namespace = own_cluster.api, "fallen"
    create_namespace(api, namespace)
    for one in read_yaml(FOLDER / "roles.yaml"):
        api.apply(one)
    two = [make(which, own_cluster.kubeconfig, namespace) for which in ("a", "b")]
    for one in two:
        one.start()
        one.until_ready()
    shown = two[0].certificate()
    leader_of(*two)
    own_cluster.stop(signal.SIGKILL)
    until("every replica to stop leading", lambda: not any(one.leads() for one in two), SECONDS)
    assert [one.answer("/readyz")[0] for one in two] == [200, 200]
    assert [one.certificate() for one in two] == [shown, shown]
    reasons = {problem["reason"] for one in two for problem in one.status()["problems"]}
    assert reasons == {"ApiUnreachable"}
    own_cluster.start()
    leader_of(*two)
    api.create(injected(bare_pod(namespace, "alice", "late")))
    until("the bindings", lambda: len(bindings(api, namespace)) == 2, SECONDS)
    until("no problems", lambda: not any(one.status()["problems"] for one in two), SECONDS)
    assert [one.certificate() for one in two] == [shown, shown]


def writes(audit: Path, account: ServiceAccount, *, after: str) -> Iterator[int]:
    """How each write of an account after a moment was answered, by the audit log."""
    who = f"system:serviceaccount:{account.namespace}:{account.name}"
    for line in audit.read_text().splitlines():
        event: dict[str, Any] = json.loads(line)
        if event["user"]["username"] == who and event["requestReceivedTimestamp"] > after:
            yield event["responseStatus"]["code"]


def test_forbidden_secret_is_named_and_the_replica_is_not_ready(
    make: Make, cluster: Cluster, namespace: str
) -> None:
    account = make_account(cluster, namespace, "poor")
    replica = make("a", account.kubeconfig(), namespace, native_sidecars="true")
    replica.start()

    def why() -> str | None:
        status, body = replica.answer("/readyz")
        assert status in (0, 503)
        return body if "secrets" in body else None

    found = until("the reason", why, SECONDS)
    assert found.startswith("there is no certificate to serve with yet: ")
    assert 'cannot list resource "secrets"' in found
    assert "(Forbidden)" in found
    until("the log", lambda: 'resource "secrets"' in replica.log.read_text(), SECONDS)
    forbidden = 'hotpeers_problems{reason="Forbidden"}'
    until("the metric of forbidden requests", lambda: replica.metric(forbidden) >= 1, SECONDS)
