"""The Secret of the certificates, and the caBundle of configurations, on a real API server."""

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from hotpeers.controller.certificates.authority import (
    Keyring,
    Lifetimes,
    Pair,
    dump_keyring,
    load_keyring,
    new_keyring,
)
from hotpeers.controller.certificates.keeper import Certificates
from hotpeers.controller.certificates.secret import MARK
from hotpeers.controller.election import Pace
from hotpeers.controller.replica import Duties, Replica, Timing, mutating
from hotpeers.controller.webhook_config.trust import Trust
from hotpeers.kube.client import Client
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import Object
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of, ended, read, running
from kit.counting import count_calls
from kit.waiting import until_async

NAMES = ("controller.ns.svc",)
PACE = Pace(retry=0.2)
QUICK = Timing(Lifetimes(), PACE, 0.5, 0.2)


def secret_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/certificates"


def kept(cluster: Cluster, namespace: str) -> Keyring | None:
    found = read(cluster.api, secret_path(namespace))
    data = (found or {}).get("data") or {}
    if not data.get("tls.crt"):
        return None
    return load_keyring({name: base64.b64decode(value) for name, value in data.items()})


def duties(namespace: str, configuration: str = "") -> Duties:
    return Duties(
        namespace=namespace,
        lease="lease",
        identity="replica",
        secret="certificates",
        names=NAMES,
        configurations=mutating(configuration),
        bind_readers=False,
    )


def make(client: Client, namespace: str, used: list[Pair], **how: Any) -> Certificates:
    return Certificates(
        client, namespace, "certificates", names=NAMES, use=used.append, look=0.2, **how
    )


def secret(namespace: str, data: dict[str, bytes], **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "certificates", "namespace": namespace, **metadata},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


@pytest.fixture
def configuration(cluster: Cluster, namespace: str) -> Iterator[Object]:
    """A configuration with two webhooks that are never called, and no caBundle."""
    name = f"injector-{namespace}"
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": f"{which}.hotpeers.dev",
                "clientConfig": {"url": "https://localhost:9/inject"},
                "rules": [],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
            for which in ("one", "two")
        ],
    }
    yield cluster.api.create(manifest)
    cluster.api.delete(manifest)


def bundles(cluster: Cluster, configuration: Object) -> list[bytes]:
    webhooks = cluster.api.read(configuration)["webhooks"]
    return [base64.b64decode(one["clientConfig"].get("caBundle", "")) for one in webhooks]


async def test_replicas_that_start_at_once_serve_the_same(cluster: Cluster, namespace: str) -> None:
    async with client_of(cluster.kubeconfig) as client:
        used: list[list[Pair]] = [[] for _ in range(8)]
        async with running(*(make(client, namespace, one).run() for one in used)):
            await until_async("every replica to serve with a certificate", lambda: all(used))
            keyring = kept(cluster, namespace)
            assert keyring is not None
            assert all(one == [keyring.serving] for one in used)
        found = read(cluster.api, secret_path(namespace))
        assert found is not None
        assert found["type"] == "kubernetes.io/tls"
        assert found["metadata"]["annotations"] == {MARK: "1"}


async def test_empty_secret_is_filled(cluster: Cluster, namespace: str) -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    cluster.api.create(secret(namespace, {}, labels=labels))
    async with client_of(cluster.kubeconfig) as client:
        used: list[Pair] = []
        async with running(make(client, namespace, used).run()):
            await until_async("a certificate to be used", lambda: used)
            found = read(cluster.api, secret_path(namespace))
            assert found is not None
            assert found["metadata"]["labels"] == labels


async def test_existing_certificate_is_served(cluster: Cluster, namespace: str) -> None:
    from datetime import UTC, datetime

    keyring = new_keyring(NAMES, Lifetimes(), datetime.now(UTC))
    cluster.api.create(secret(namespace, dump_keyring(keyring), annotations={MARK: "1"}))
    async with client_of(cluster.kubeconfig) as client:
        used: list[Pair] = []
        async with running(make(client, namespace, used).run()):
            await until_async("a certificate to be used", lambda: used)
            assert used == [keyring.serving]


@pytest.mark.parametrize("how", ["deleted", "emptied"])
async def test_lost_secret_is_restored_unchanged(
    how: str, cluster: Cluster, namespace: str
) -> None:
    async with client_of(cluster.kubeconfig) as client:
        used: list[Pair] = []
        async with running(make(client, namespace, used).run()):
            await until_async("a certificate to be used", lambda: used)
            before = kept(cluster, namespace)
            if how == "deleted":
                cluster.api.request("DELETE", secret_path(namespace))
            else:
                empty = secret(namespace, {"tls.crt": b"", "tls.key": b""})
                cluster.api.request(
                    "PUT", secret_path(namespace), {**empty, "type": "kubernetes.io/tls"}
                )
            await until_async("a certificate in the Secret", lambda: kept(cluster, namespace))
            assert kept(cluster, namespace) == before
            assert len(used) == 1


async def test_foreign_secret_is_reported_and_not_changed(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(secret(namespace, {"password": b"hush"}))
    before = read(cluster.api, secret_path(namespace))
    async with client_of(cluster.kubeconfig) as client:
        used: list[Pair] = []
        certificates = make(client, namespace, used)
        async with running(certificates.run()):
            (problem,) = await until_async("a problem of the certificates", certificates.problems)
            assert str(problem).startswith(f"Secret/{namespace}/certificates: data: has data that ")
            assert problem.reason == "CertificatesBad"
            assert "hush" not in str(problem)
            assert certificates.keyring is None
    assert read(cluster.api, secret_path(namespace)) == before


async def test_damaged_secret_does_not_change_the_served_certificate(
    cluster: Cluster, namespace: str
) -> None:
    async with client_of(cluster.kubeconfig) as client:
        used: list[Pair] = []
        replica = Replica(client, duties(namespace), lambda *pair: used.append(Pair(*pair)), QUICK)
        async with running(replica.run()):
            await until_async(
                "the replica to lead with a certificate", lambda: used and replica.leading
            )
            good = read(cluster.api, secret_path(namespace))
            assert good is not None
            broken = base64.b64encode(b"what").decode()
            cluster.api.patch(good, {"data": {"tls.crt": broken}})
            (problem,) = await until_async("a problem of the replica", replica.problems)
            assert "tls.crt is no PEM of a certificate" in problem.message
            assert problem.reason == "CertificatesBad"
            assert replica.expires is not None
            cluster.api.patch(good, {"data": {"tls.crt": good["data"]["tls.crt"]}})
            await until_async("the problem to be solved", lambda: not replica.problems())
            assert len(used) == 1


@pytest.mark.parametrize(
    ("verbs", "what"),
    [
        ("", "list"),
        ("list", "watch"),
        ("list watch", "create"),
    ],
)
async def test_missing_right_is_named(
    verbs: str, what: str, cluster: Cluster, namespace: str, service_account: Any
) -> None:
    rules = [rule("", "secrets", verbs)] if verbs else []
    account: ServiceAccount = service_account(namespace, "poor", rules)
    if what == "watch":
        cluster.api.create(secret(namespace, {"password": b"hush"}))
    async with client_of(account.kubeconfig()) as client:
        certificates = make(client, namespace, [])
        async with running(certificates.run()):

            def named() -> bool:
                forbidden = [x for x in certificates.problems() if x.reason == "Forbidden"]
                return any(f'cannot {what} resource "secrets"' in x.message for x in forbidden)

            await until_async("the missing right to be named", named)
            assert certificates.keyring is None


async def test_bundle_is_kept_right(
    cluster: Cluster, namespace: str, configuration: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = count_calls(monkeypatch, Trust, "_mend")
    async with client_of(cluster.kubeconfig) as client:
        replica = Replica(
            client, duties(namespace, configuration["metadata"]["name"]), lambda *_: None, QUICK
        )
        async with running(replica.run()):

            def right() -> bool:
                keyring = kept(cluster, namespace)
                return (
                    keyring is not None and bundles(cluster, configuration) == [keyring.bundle] * 2
                )

            await until_async("the caBundle to be right", right)
            # As a tool does that knows of no caBundle.
            cluster.api.patch(configuration, {"webhooks": configuration["webhooks"]})
            await until_async("the caBundle to be right again", right)
            other = [
                {**one, "clientConfig": {**one["clientConfig"], "caBundle": other_bundle()}}
                for one in configuration["webhooks"]
            ]
            cluster.api.patch(configuration, {"webhooks": [other[0]]})
            await until_async(
                "the webhooks to have one caBundle",
                lambda: len(bundles(cluster, configuration)) == 1,
            )
            cluster.api.delete(configuration)
            cluster.api.create(
                {**configuration, "metadata": {"name": configuration["metadata"]["name"]}}
            )
            await until_async("the caBundle to be right", right)
            version = cluster.api.read(configuration)["metadata"]["resourceVersion"]
            # Nothing is written where nothing differs.
            before = checks.count
            await until_async("five checks of the caBundle", lambda: checks.count >= before + 5)
            assert cluster.api.read(configuration)["metadata"]["resourceVersion"] == version
            assert replica.problems() == ()


def other_bundle() -> str:
    from datetime import UTC, datetime

    return base64.b64encode(new_keyring(NAMES, Lifetimes(), datetime.now(UTC)).bundle).decode()


async def test_only_the_leader_writes_the_bundle(
    cluster: Cluster, namespace: str, configuration: Object
) -> None:
    name = configuration["metadata"]["name"]
    slow = Timing(Lifetimes(), Pace(60.0, 40.0, 0.2), 0.5, 0.2)
    async with client_of(cluster.kubeconfig) as client:
        first, second = (
            Replica(client, duties(namespace, name), lambda *_: None, slow) for _ in range(2)
        )
        async with running(first.run()) as (task,):
            await until_async("the first to lead", lambda: first.leading)
            async with running(second.run()):
                await until_async(
                    "each webhook's caBundle, and the second's certificate",
                    lambda: all(bundles(cluster, configuration)) and second.expires,
                )
                assert not second.leading
                await ended(task)
                await until_async("the second to lead", lambda: second.leading)
                cluster.api.patch(configuration, {"webhooks": configuration["webhooks"]})
                await until_async(
                    "each webhook's caBundle", lambda: all(bundles(cluster, configuration))
                )


@pytest.mark.parametrize("verb", ["list", "watch", "patch"])
async def test_missing_right_to_the_configuration_is_named(
    verb: str,
    cluster: Cluster,
    namespace: str,
    configuration: Object,
    service_account: Callable[..., ServiceAccount],
) -> None:
    account = service_account(
        namespace,
        "poor",
        [
            rule("", "secrets", "list watch create patch"),
            rule("coordination.k8s.io", "leases", "get create update"),
        ],
        cluster_rules=[
            rule(
                "admissionregistration.k8s.io",
                "mutatingwebhookconfigurations",
                " ".join({"list", "watch", "patch"} - {verb}),
            )
        ],
    )
    name = configuration["metadata"]["name"]
    async with client_of(account.kubeconfig()) as client:
        replica = Replica(client, duties(namespace, name), lambda *_: None, QUICK)
        async with running(replica.run()):

            def named() -> bool:
                what = f'cannot {verb} resource "mutatingwebhookconfigurations"'
                return any(what in one.message for one in replica.problems())

            await until_async("the missing right to be named", named)
            await until_async(
                "the replica to serve with a certificate", lambda: replica.expires is not None
            )


async def test_authority_is_replaced_step_by_step(
    cluster: Cluster, namespace: str, configuration: Object
) -> None:
    lifetimes = Lifetimes(timedelta(seconds=12), timedelta(seconds=6))
    # Long enough to be seen between two steps.
    timing = Timing(lifetimes, PACE, 3.0, 0.2)
    async with client_of(cluster.kubeconfig) as client:
        used: list[Pair] = []
        name = configuration["metadata"]["name"]
        replica = Replica(
            client, duties(namespace, name), lambda *pair: used.append(Pair(*pair)), timing
        )
        async with running(replica.run()):
            first = await until_async(
                "a certificate in the Secret", lambda: kept(cluster, namespace)
            )
            announced = await until_async(
                "the next authority to be announced",
                lambda: (found := kept(cluster, namespace)) and found.successor and found,
            )
            assert announced.signer == first.signer
            after = await until_async(
                "the announced authority to sign",
                lambda: (
                    (found := kept(cluster, namespace))
                    and found.signer == announced.successor
                    and found
                ),
            )
            assert after.retired[0] == first.signer.certificate
            # The current signer was announced before, and stays announced.
            assert all(after.signer.certificate in one for one in bundles(cluster, configuration))
            await until_async(
                "three certificates to be used",
                lambda: len({pair.certificate for pair in used}) >= 3,
            )
