"""Upgrades of a release while sidecars run: what changes for them, and how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.chaos.sidecar import LABELS, NOWHERE, Sidecar
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, Object
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import account_manifest, bare_pod, peer
from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.controller.deployed import Deployed
from kit.controller.injected import injected
from kit.waiting import until

PLACE = "hotpeers-system"
PREVIOUS = Path(__file__).parent / "chart" / "previous" / "hotpeers-0.1.0.tgz"
"""The chart before `replicaCount`, as it was."""
_RBAC = "rbac.authorization.k8s.io/v1"
_SECONDS = 120.0
_PROBE = 0.02
_ASKS = {"hotpeers.dev/inject": "true"}


@dataclass(frozen=True)
class Mark:
    """What must not change of a sidecar: its process and its peer file; and what it watches.

    `scopes` has the kind, namespace, state and number of objects of each watch. Only it changes for
    a moment, while a watch that the API server ended is begun again.
    """

    pid: int | None
    inode: int
    modified: int
    content: bytes
    scopes: tuple[tuple[str, str, str, int], ...] = field(compare=False)


@dataclass
class Fleet:
    """A release, its leading controller, and sidecars of many orchestrators with a few peers each."""

    cluster: Cluster
    helm: Helm
    leader: Deployed
    sidecars: list[Sidecar] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)

    def upgrade(self) -> None:
        """Upgrade the release to the present chart, as docs/upgrade.md says."""
        options = ("--reset-then-reuse-values", "--namespace", PLACE)
        self.helm.run("upgrade", "hotpeers", self.helm.chart, *options)

    def roll_back(self) -> None:
        """Roll the release back to its first revision."""
        self.helm.run("rollback", "hotpeers", "1", "--namespace", PLACE)

    def turn(self, *, on: bool) -> None:
        """Set the value that turns everything off, and end the controller if it is off."""
        options = ("--reset-then-reuse-values", "--namespace", PLACE)
        value = ("--set", f"enabled={str(on).lower()}")
        self.helm.run("upgrade", "hotpeers", self.helm.chart, *options, *value)
        if not on:
            self.leader.process.stop()

    def may_read(self) -> set[bool]:
        """What the API server answers about reading Peers, for the account of each sidecar."""
        attributes = {"group": "hotpeers.dev", "resource": "peers", "verb": "list"}
        answers = set()
        for number in range(len(self.sidecars)):
            namespace = self.namespaces[number % len(self.namespaces)]
            user = f"system:serviceaccount:{namespace}:lead-{number}"
            spec = {"user": user, "resourceAttributes": {**attributes, "namespace": namespace}}
            kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
            answers.add(bool(self.api.create({**kind, "spec": spec})["status"]["allowed"]))
        return answers

    @property
    def api(self) -> Api:
        return self.cluster.api

    def mark(self) -> list[Mark]:
        """The state of each sidecar."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(_mark, self.sidecars))

    def until_following(self, before: list[Mark]) -> None:
        """Wait until each sidecar watches the same objects as before."""
        wanted = [one.scopes for one in before]
        until("all watches", lambda: [one.scopes for one in self.mark()] == wanted, _SECONDS)

    def restarts(self) -> list[int]:
        """How often each sidecar began a watch again. The API server ends those of a changed CRD."""
        return [
            sum(scope["restarts"] for scope in one.status()["source"]["scopes"])
            for one in self.sidecars
        ]

    def add_peer(self, name: str) -> list[float]:
        """Create a Peer in each namespace; return the seconds until each file has it."""
        self.create_peers(name)
        return self.until_peer(name)

    def create_peers(self, name: str) -> None:
        """Create a Peer in each namespace."""
        for namespace in self.namespaces:
            self.api.create(_peer(namespace, name))

    def until_peer(self, name: str) -> list[float]:
        """Wait until each file has a peer; return the seconds that each took."""
        began = time.monotonic()
        left = dict(enumerate(self.sidecars))
        seconds: list[float] = []

        def all_have() -> bool:
            for number, one in list(left.items()):
                if f'"{name}"'.encode() in one.file.read_bytes():
                    seconds.append(time.monotonic() - began)
                    del left[number]
            return not left

        until(f"{name} in all peer files", all_have, _SECONDS)
        return seconds

    def bindings(self) -> dict[str, str]:
        """The bindings that the controller made, with their uids."""
        query = {"labelSelector": "app.kubernetes.io/managed-by=hotpeers"}
        return {
            f"{one['metadata'].get('namespace')}/{one['metadata']['name']}": one["metadata"]["uid"]
            for kind in ("RoleBinding", "ClusterRoleBinding")
            for one in self.api.list(_RBAC, kind, **query)["items"]
        }

    def bundles(self) -> set[str | None]:
        """The distinct caBundles of all webhooks of the injector."""
        kind = {"apiVersion": "admissionregistration.k8s.io/v1"}
        metadata = {"name": "hotpeers-injector"}
        found = self.api.read(
            {**kind, "kind": "MutatingWebhookConfiguration", "metadata": metadata}
        )
        return {one["clientConfig"].get("caBundle") for one in found["webhooks"]}

    def replace(self, identity: str, change: Callable[[], Any], python: Path | None = None) -> Took:
        """Change the release, and replace the controller as a rolling update of its Deployment does."""
        with _probing(self.namespaces[0], [self.leader]) as probe:
            began = time.monotonic()
            change()
            changed = time.monotonic()
            new = Deployed(self.cluster, identity, python)
            new.process.start()
            until(f"{identity} to be ready", new.is_ready, _SECONDS)
            probe.replicas.append(new)
            ready = time.monotonic()
            # As the API server's Endpoints: an ending replica gets no more requests.
            probe.replicas.remove(self.leader)
            ended = self.leader
            stop = threading.Thread(target=ended.process.stop)
            stop.start()
            until(f"{identity} to lead", new.leads, _SECONDS)
            leads = time.monotonic()
            stop.join()
            until("a caBundle of all webhooks", lambda: None not in self.bundles(), _SECONDS)
        self.leader = new
        return Took(changed - began, ready - changed, leads - ready, probe.asked, probe.unanswered)


@dataclass(frozen=True)
class Took:
    """The seconds of an upgrade, and the requests about pods meanwhile."""

    helm: float
    ready: float
    leader: float
    asked: int
    unanswered: int

    def __str__(self) -> str:
        return (
            f"helm {self.helm:.1f} s, new controller ready after {self.ready:.1f} s, leads "
            f"{self.leader:.1f} s after the old one was told to end; {self.asked} requests about "
            f"pods meanwhile, {self.unanswered} unanswered"
        )


@dataclass
class _Probe:
    replicas: list[Deployed]
    asked: int = 0
    unanswered: int = 0


@contextmanager
def _probing(namespace: str, replicas: list[Deployed]) -> Iterator[_Probe]:
    """Ask about a pod again and again, at any of the replicas."""
    probe, ended = _Probe(list(replicas)), threading.Event()
    pod = bare_pod(namespace, "probe", **_ASKS)

    def ask() -> None:
        while not ended.wait(_PROBE):
            probe.asked += 1
            probe.unanswered += not any(one.injects(pod) for one in list(probe.replicas))

    thread = threading.Thread(target=ask, name="probe")
    thread.start()
    try:
        yield probe
    finally:
        ended.set()
        thread.join()


def _peer(namespace: str, name: str) -> Object:
    # A peer with a description is offered also while its card cannot be read.
    return peer(namespace, name, NOWHERE, labels=LABELS, description="for the test")


def _mark(sidecar: Sidecar) -> Mark:
    status = sidecar.status()
    scopes = [
        (one["kind"], one["namespace"], one["state"], one["objects"])
        for one in status["source"]["scopes"]
    ]
    found = sidecar.file.stat()
    content = sidecar.file.read_bytes()
    pid = sidecar.process.pid
    return Mark(pid, found.st_ino, found.st_mtime_ns, content, tuple(sorted(scopes)))


@contextmanager
def fleet(
    cluster: Cluster,
    helm: Helm,
    folder: Path,
    *,
    size: int,
    namespaces: int,
    peers: int,
    sets: Sequence[str] = (),
    python: Path | None = None,
) -> Iterator[Fleet]:
    """`size` sidecars in as many namespaces as asked, under a release of the previous chart.

    `sets` are values of the release. `python` is the interpreter of the previous version; without it,
    the present one is used.
    """
    cluster.start()
    create_namespace(cluster.api, PLACE)
    Helm(helm.program, cluster.kubeconfig, PREVIOUS).install("hotpeers", PLACE, *sets)
    made = Fleet(cluster, helm, Deployed(cluster, "old-1", python))
    made.namespaces = [f"team-{number}" for number in range(namespaces)]
    try:
        made.leader.process.start()
        accounts = []
        for namespace in made.namespaces:
            create_namespace(cluster.api, namespace)
            for number in range(peers):
                cluster.api.create(_peer(namespace, f"p{number}"))
        for number in range(size):
            namespace, name = made.namespaces[number % namespaces], f"lead-{number}"
            cluster.api.create(account_manifest(namespace, name))
            cluster.api.create(injected(bare_pod(namespace, name, name)))
            accounts.append(ServiceAccount(cluster, namespace, name))
        until("the old controller to lead", made.leader.leads, _SECONDS)
        # Two in the namespace, and one for the cluster.
        until("the bindings", lambda: len(made.bindings()) == 3 * size, _SECONDS)
        for one in accounts:
            one.renew()
            made.sidecars.append(
                Sidecar(folder / one.name, one.kubeconfig(), one.namespace, python=python)
            )
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: one.start(), made.sidecars))
        for number in range(peers):
            made.until_peer(f"p{number}")
        yield made
    finally:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: one.stop(), made.sidecars))
        made.leader.process.stop()
