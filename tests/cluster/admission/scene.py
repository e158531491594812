"""A cluster with the guard in it: real controllers behind one address, as behind a Service.

They have the rights of the product's own manifests. The governed accounts have every RBAC right,
so only the guard denies their requests.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kit.apiserver.accounts import ServiceAccount, make_account
from kit.apiserver.client import Api, Object, read_yaml
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.proxy import Proxy
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import AGENTS, PEERS, install_crd, is_served
from kit.apiserver.server import Cluster
from kit.controller.guard_scene import EVERYTHING, KINDS, take, until_asked
from kit.spawning import SPEC, declarative, document, edited
from kit.waiting import until
from kit.webhook import Controller

SYSTEM = "hotpeers-system"
POLICIES = Path(__file__).parents[3] / "k8s" / "crds" / "spawnpolicies.hotpeers.dev.yaml"
MANY = {
    **SPEC["limits"],
    "maxAgents": 100,
    "creates": {"count": 10_000, "window": "1h"},
}
# Kinds of kagent's beside Agent, as far as a request for one needs them to be served.
OTHERS = {
    "ModelConfig": "v1alpha2",
    "ModelProviderConfig": "v1alpha2",
    "RemoteMCPServer": "v1alpha2",
    "SandboxAgent": "v1alpha2",
    "MCPServer": "v1alpha1",
    "ToolServer": "v1alpha1",
    "Memory": "v1alpha1",
}


class Scene:
    """The cluster, its controllers, and the governed account `team/lead`."""

    def __init__(self, cluster: Cluster, folder: Path, replicas: int) -> None:
        self.cluster = cluster
        self.api = cluster.api
        account = make_account(cluster, SYSTEM, "hotpeers-controller", seconds=7200)
        first = Controller(folder / "authority", cluster)
        flags = [
            f"--namespace={SYSTEM}",
            f"--certificate-dir={first.certificates}",
            f"--kubeconfig={account.kubeconfig()}",
            "--drain-seconds=0",
        ]
        self.controllers = [
            Controller(folder / f"replica-{i}", cluster, *flags, f"--identity=replica-{i}")
            for i in range(replicas)
        ]
        self.front = Proxy(*(one.port for one in self.controllers))
        self._authority = first
        self._opened: list[Api] = []

    def start(self) -> None:
        """Start all replicas, and lead the API server to them."""
        for one in self.controllers:
            one.process.start()
        for one in self.controllers:
            one.start()
        for kind in KINDS:
            whole = self._authority.configuration("hotpeers-guard", kind)
            for webhook in whole["webhooks"]:
                path = webhook["clientConfig"]["url"].partition("/guard/")[2]
                webhook["clientConfig"]["url"] = f"{self.front.url}/guard/{path}"
            self.api.apply(whole)

    def account(self, name: str, namespace: str = "team") -> ServiceAccount:
        """A ServiceAccount with every right of RBAC."""
        return make_account(self.cluster, namespace, name, cluster_rules=EVERYTHING, seconds=3600)

    def login(self, name: str, namespace: str = "team") -> Api:
        """The API as such an account."""
        self._opened.append(Api(self.account(name, namespace).access))
        return self._opened[-1]

    def govern(self, name: str = "lead", **spec: Any) -> Api:
        """The API as an orchestrator of `team` that a policy of its own governs from now on."""
        subjects = [{"kind": "Agent", "name": name}, {"kind": "Agent", "name": "worker-chief"}]
        api = self.login(name)
        self.api.create(declarative(name))
        self.api.create(policy(f"{name}s", subjects=subjects, **spec))
        until_asked(api, "team")
        return api

    def close(self) -> None:
        """End what was started here."""
        for api in self._opened:
            api.close()
        for one in self.controllers:
            one.stop(signal.SIGKILL)
        self.front.close()


def policy(name: str = "workers", **spec: Any) -> Object:
    """The shared policy with limits that are far away; a field that is None is left out."""
    whole = {**SPEC, "limits": MANY, **spec}
    return document({key: value for key, value in whole.items() if value is not None}, name)


@contextmanager
def scene(cluster: Cluster, folder: Path, replicas: int = 1) -> Iterator[Scene]:
    """Start a cluster that has nothing yet, and all that belongs to it here."""
    with ExitStack() as stack:
        cluster.start()
        _prepare(cluster)
        made = Scene(cluster, folder, replicas)
        stack.callback(made.close)
        made.start()
        yield made


def _prepare(cluster: Cluster) -> None:
    api = cluster.api
    for namespace in ("team", "sandbox", "kagent", SYSTEM):
        create_namespace(api, namespace)
    for file in ("roles.yaml", "controller.yaml"):
        for manifest in read_yaml(FOLDER / file):
            if manifest["metadata"].get("namespace") in (None, SYSTEM):
                api.apply(manifest)
    take(api, "team")
    for file in (PEERS, POLICIES):
        install_crd(api, file)
    for definition in (_both_versions(), *map(_definition, OTHERS)):
        api.apply(definition)
        until(
            f"{definition['metadata']['name']} to be served",
            lambda one=definition: is_served(api, one),
            60,
        )


def _both_versions() -> Object:
    """Agents as kagent serves them: the older version too."""
    (definition,) = read_yaml(AGENTS)
    (newest,) = definition["spec"]["versions"]
    older = {**newest, "name": "v1alpha1", "storage": False}
    return dict(edited(definition, ("spec.versions", [newest, older])))


def _definition(kind: str) -> Object:
    plural = f"{kind.lower()}s".replace("memorys", "memories")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": OTHERS[kind],
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kagent.dev"},
        "spec": {
            "group": "kagent.dev",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }
