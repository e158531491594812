"""Authorities and certificates are replaced under load: no pod is left out."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hotpeers.base.settings import Listen
from hotpeers.controller.admission.injection import Webhook
from hotpeers.controller.certificates.authority import Lifetimes
from hotpeers.controller.election import Pace
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.controller.port.tls import ServingCertificate, serve_tls
from hotpeers.controller.replica import Duties, Replica, Timing, mutating
from hotpeers.inject.outcome import Injection
from kit.apiserver.client import Api, Object
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of, read, running
from kit.waiting import until_async

LIFETIMES = Lifetimes(timedelta(seconds=20), timedelta(seconds=11))
# On a busy machine an API server takes its time until it uses a bundle.
TIMING = Timing(LIFETIMES, Pace(retry=0.3), settle=3.0, look=0.2)
ROTATIONS = 3


@asynccontextmanager
async def replica(
    kubeconfig: Path, namespace: str, configuration: str, shown: set[bytes]
) -> AsyncIterator[int]:
    """A replica with its webhook; yields the port."""
    certificate = ServingCertificate()

    def use(pem: bytes, key: bytes) -> None:
        certificate.replace(pem, key)
        shown.add(pem)

    # "Draining": each request comes over a connection of its own, and so with a new handshake.
    webhook = Webhook(ControllerMetrics(), lambda: True)
    webhook.injection = Injection(
        image="i", image_pull_policy="IfNotPresent", native_sidecars=True, resources={}
    )
    duties = Duties(
        namespace=namespace,
        lease="lease",
        identity="replica",
        secret="certificates",
        names=("localhost",),
        configurations=mutating(configuration),
        bind_readers=False,
    )
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(kubeconfig))
        listen = Listen(host="127.0.0.1", port=0)
        port = await stack.enter_async_context(
            serve_tls(webhook.app(), listen, certificate, finish=1.0)
        )
        await stack.enter_async_context(running(Replica(client, duties, use, TIMING).run()))
        yield port


@asynccontextmanager
async def in_turn(ports: list[int]) -> AsyncIterator[int]:
    """A port whose connections go to each of some in turn, as those of a Service do."""
    turns = itertools.cycle(ports)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", next(turns))
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def webhook_configuration(name: str, namespace: str, port: int) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "inject.hotpeers.dev",
                "clientConfig": {"url": f"https://localhost:{port}/inject"},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "failurePolicy": "Ignore",
                # Trust is tried here, not speed on a busy machine.
                "timeoutSeconds": 10,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


class Load:
    """Annotated pods, one after the other, and how many were not injected."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.pods = 0
        self.missed: list[int] = []

    def one(self) -> bool:
        """Create a pod; whether it was injected."""
        # By a dry run there is nothing to clean up, and webhooks without side effects are asked.
        made = self._api.request(
            "POST",
            f"/api/v1/namespaces/{self._namespace}/pods?dryRun=All",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"pod-{self.pods}",
                    "annotations": {"hotpeers.dev/inject": "true"},
                },
                "spec": {
                    "serviceAccountName": "alice",
                    "containers": [{"name": "kagent", "image": "python"}],
                },
            },
        )
        return made["metadata"].get("labels", {}).get("hotpeers.dev/injected") == "true"

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            if not await asyncio.to_thread(self.one):
                self.missed.append(self.pods)
            self.pods += 1


async def test_every_pod_is_injected_while_authorities_are_replaced(
    cluster: Cluster, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"injector-{namespace}"
    shown: set[bytes] = set()
    authorities: set[str] = set()

    def rotated() -> bool:
        kept = read(cluster.api, f"/api/v1/namespaces/{namespace}/secrets/certificates")
        assert kept is not None
        # The key of who signs.
        authorities.add(kept["data"]["ca.key"])
        return len(authorities) > ROTATIONS

    async with AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(replica(cluster.kubeconfig, namespace, name, shown))
            for _ in range(2)
        ]
        port = await stack.enter_async_context(in_turn(ports))
        manifest = webhook_configuration(name, namespace, port)
        cluster.api.create(manifest)
        try:
            load = Load(cluster.api, namespace)
            await until_async("the first pod to be injected", load.one)
            async with running(load.run()):
                await until_async("the authority to be replaced often enough", rotated, 240.0)
                last = load.pods
                await until_async("twenty more pods", lambda: load.pods > last + 20)
        finally:
            cluster.api.delete(manifest)
    with capsys.disabled():
        print(
            f"\ncontroller: {load.pods} pods, {len(load.missed)} not injected, while "
            f"{len(authorities)} authorities signed {len(shown)} certificates"
        )
    assert load.missed == []
    assert len(shown) > ROTATIONS
