"""A working installation as a snapshot: the manifests of k8s/install.yaml, with certificates."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hotpeers.check.rights import wanted_rights
from hotpeers.check.snapshot import Part, Snapshot, Trial, Unread
from hotpeers.controller.certificates.authority import Keyring, Lifetimes, new_keyring
from hotpeers.controller.certificates.secret import new_secret
from hotpeers.controller.orchestrators.objects import HubAddress, token_secret
from hotpeers.model.orchestrator import read_orchestrator
from kit.controller.injected import injected

K8S = Path(__file__).parents[3] / "k8s"
PLACE, TEAM = "hotpeers-system", "team"
KEY = bytes(range(32))
NOW = datetime.now(UTC)
Object = dict[str, Any]
Change = Callable[[dict[Part, list[Object]]], None]


@cache
def _manifests() -> list[Object]:
    with (K8S / "install.yaml").open() as file:
        return [one for one in yaml.load_all(file, yaml.CSafeLoader) if one]


def keyring(when: datetime = NOW) -> Keyring:
    return new_keyring(["hotpeers-controller.hotpeers-system.svc"], Lifetimes(), when)


def kinds(*names: str) -> list[Object]:
    return [copy.deepcopy(one) for one in _manifests() if one["kind"] in names]


def bundle_of(ring: Keyring) -> str:
    return base64.b64encode(ring.bundle).decode()


def set_bundles(configurations: list[Object], bundle: str) -> None:
    for one in configurations:
        for hook in one["webhooks"]:
            hook["clientConfig"]["caBundle"] = bundle


def space(name: str, **metadata: Any) -> Object:
    labels = {"kubernetes.io/metadata.name": name, **metadata.pop("labels", {})}
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels, **metadata}}


def bare_pod(name: str = "concierge", **annotations: str) -> Object:
    metadata = {"namespace": TEAM, "name": name, "annotations": dict(annotations)}
    container = {"name": "agent", "image": "agent:1", "command": ["python", "app.py"]}
    spec = {"serviceAccountName": "concierge", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def sidecar_pod(**annotations: str) -> Object:
    pod = injected(bare_pod(**annotations))
    for one in pod["spec"]["initContainers"]:
        if one["name"] == "hotpeers":
            one["image"] = "hotpeers:0.1.0"
    return pod


def deployment(**annotations: str) -> Object:
    template = bare_pod(**{"hotpeers.dev/inject": "true", **annotations})
    metadata = {"namespace": TEAM, "name": "concierge"}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def slice_of(service: str, *, ready: bool = True) -> Object:
    labels = {"kubernetes.io/service-name": service}
    metadata = {"namespace": PLACE, "name": f"{service}-x", "labels": labels}
    return {"metadata": metadata, "endpoints": [{"conditions": {"ready": ready}}]}


def node(version: str) -> Object:
    info = {"kubeletVersion": version}
    return {"kind": "Node", "metadata": {"name": "n"}, "status": {"nodeInfo": info}}


def agent(runtime: str = "", **annotations: str) -> Object:
    deployed = {"annotations": {"hotpeers.dev/inject": "true", **annotations}}
    spec = {"type": "Declarative", "declarative": {"runtime": runtime, "deployment": deployed}}
    return {"kind": "Agent", "metadata": {"namespace": TEAM, "name": "a"}, "spec": spec}


def orchestrator(uid: str = "u-1", version: int = 1) -> Object:
    metadata = {"namespace": TEAM, "name": "desk", "uid": uid, "generation": 1}
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Orchestrator",
        "metadata": metadata,
        "spec": {"tokenVersion": version},
    }


def token(key: bytes = KEY, **identity: Any) -> Object:
    read = read_orchestrator(orchestrator(**identity))
    return token_secret(read, key, HubAddress("http://hub/mcp"))


def hub_key(key: bytes = KEY) -> Object:
    data = {"key": base64.b64encode(key.hex().encode()).decode()}
    return {"kind": "Secret", "metadata": {"namespace": PLACE, "name": "k"}, "data": data}


def hub() -> Object:
    labels = {"app.kubernetes.io/component": "hub"}
    container = {"name": "hub", "env": [{"name": "HOTPEERS_KEY_SECRET", "value": f"{PLACE}/k"}]}
    spec = {"serviceAccountName": "hotpeers-hub", "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    metadata = {"namespace": PLACE, "name": "hotpeers-hub", "labels": labels}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def healthy() -> dict[Part, list[Object]]:
    ring = keyring()
    webhooks = kinds("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    set_bundles(webhooks, bundle_of(ring))
    return {
        Part.NODES: [node("v1.33.2")],
        Part.RELEASES: [*kinds("Deployment"), hub()],
        Part.WEBHOOKS: webhooks,
        Part.DEFINITIONS: kinds("CustomResourceDefinition"),
        Part.NAMESPACES: [space(PLACE), space(TEAM), space("kube-system")],
        Part.WORKLOADS: [deployment()],
        Part.PODS: [sidecar_pod()],
        Part.AGENTS: [agent(), agent("go")],
        Part.POLICIES: [],
        Part.ORCHESTRATORS: [orchestrator()],
        Part.QUOTAS: [],
        Part.EVENTS: [],
        Part.OWN_PODS: [],
        Part.SLICES: [slice_of("hotpeers-controller")],
        Part.NETWORK_POLICIES: [],
        Part.CERTIFICATES: [new_secret(PLACE, "hotpeers-certificates", ring)],
        Part.HUB_KEY: [hub_key()],
        Part.TOKENS: [token()],
        Part.CREDENTIALS: [],
        Part.RIGHTS: [],
    }


def snapshot(change: Change | None = None, **fields: Any) -> Snapshot:
    objects = healthy()
    if change is not None:
        change(objects)
    unread: dict[Part, Unread] = fields.pop("unread", {})
    found = Snapshot(
        objects={name: tuple(those) for name, those in objects.items() if name not in unread},
        unread=unread,
        trial=Trial(TEAM, pod=sidecar_pod()),
    )
    rights = dict.fromkeys(wanted_rights(found), True)
    return (
        replace(found, rights=rights, **fields)
        if "rights" not in fields
        else replace(found, **fields)
    )
