"""The custom resources that the product reads, and manifests of what tests create."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit.apiserver.client import Api, ApiError, Object, read_yaml
from kit.waiting import until

_ROOT = Path(__file__).parents[3]
PEERS = _ROOT / "k8s" / "crds" / "peers.hotpeers.dev.yaml"
ORCHESTRATORS = _ROOT / "k8s" / "crds" / "orchestrators.hotpeers.dev.yaml"
_KAGENT = Path(__file__).parent / "crds"
AGENTS = _KAGENT / "agents.kagent.dev.yaml"
MODEL_CONFIGS = _KAGENT / "modelconfigs.kagent.dev.yaml"
MCP_SERVERS = _KAGENT / "remotemcpservers.kagent.dev.yaml"
GATEWAY_AGENTS = {
    form: _KAGENT / f"agents.api.kagent.dev-{form}.yaml" for form in ("flat", "nested")
}
"""Stand-ins for the Agent of kagent 1.x in both forms of its spec; a cluster has one or none."""
INLINE: dict[str, dict[str, Any]] = {
    "flat": {"template": {"description": "Tells the weather"}, "harnessRef": {"name": "h"}},
    "nested": {
        "template": {"inline": {"description": "Tells the weather"}},
        "harness": {"ref": {"name": "h"}},
    },
}
REFERRED: dict[str, dict[str, Any]] = {
    "flat": {"templateRef": {"name": "t"}, "harness": {"kagent": {}}},
    "nested": {"template": {"ref": {"name": "t"}}, "harness": {"inline": {"codex": {}}}},
}
"""A `spec` of it in both forms, with a template in the Agent, and with one elsewhere."""
CRD_FILES = (PEERS, ORCHESTRATORS, AGENTS)
_SECONDS = 60.0


def install_crd(api: Api, file: Path) -> str:
    """Install a custom resource, and wait until the server serves it; return its name."""
    (crd,) = read_yaml(file)
    api.apply(crd)
    until(f"{file.name} to be served", lambda: is_served(api, crd), _SECONDS)
    return str(crd["metadata"]["name"])


def is_served(api: Api, crd: Object) -> bool:
    """Whether the objects of a definition can be listed, as far as a definition says it."""
    conditions = api.read(crd).get("status", {}).get("conditions") or []
    met = {one["type"] for one in conditions if one["status"] == "True"}
    if "Established" not in met:
        return False
    spec = crd["spec"]
    version = f"{spec['group']}/{spec['versions'][0]['name']}"
    try:
        # The handler follows the condition, and its storage (429 until then) the handler.
        api.request("GET", f"/apis/{version}/{spec['names']['plural']}")
    except ApiError:
        return False
    return True


def crd_state(api: Api, name: str) -> str:
    """Uid, generation and deletion time of the CRD of that name; "" if it is missing."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    try:
        metadata = api.request("GET", path)["metadata"]
    except ApiError:
        return ""
    return f"{metadata['uid']} {metadata['generation']} {metadata.get('deletionTimestamp', '')}"


def remove_crd(api: Api, file: Path) -> None:
    """Remove a custom resource with all of its objects, and wait until it has gone."""
    (crd,) = read_yaml(file)
    api.delete(crd)
    until(f"{file.name} to be gone", lambda: api.is_gone(crd), _SECONDS)


def peer(
    namespace: str,
    name: str,
    url: str = "http://peer:8080",
    *,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """Make the manifest of a `Peer`."""
    spec = {"url": url, **spec}
    return _manifest("hotpeers.dev/v1alpha1", "Peer", namespace, name, labels, spec)


def agent(
    namespace: str, name: str, *, labels: Mapping[str, str] | None = None, **spec: Any
) -> Object:
    """Make the manifest of a kagent `Agent`, the least that kagent's own rules allow."""
    spec = {"type": "Declarative", "declarative": {}, **spec}
    return _manifest("kagent.dev/v1alpha2", "Agent", namespace, name, labels, spec)


def gateway_agent(
    namespace: str, name: str, *, labels: Mapping[str, str] | None = None, **spec: Any
) -> Object:
    """Make the manifest of an `Agent` of kagent 1.x."""
    return _manifest("api.kagent.dev/v1alpha3", "Agent", namespace, name, labels, spec)


def orchestrator(namespace: str, name: str, **spec: Any) -> Object:
    """Make the manifest of an `Orchestrator`."""
    return _manifest("hotpeers.dev/v1alpha1", "Orchestrator", namespace, name, None, spec)


def account_manifest(namespace: str, name: str, **metadata: Any) -> Object:
    """Make the manifest of a `ServiceAccount`."""
    metadata = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def bare_pod(namespace: str, account: str, name: str = "pod", **annotations: str) -> Object:
    """Make the manifest of a pod, the least that an API server takes."""
    metadata: Object = {"name": name, "namespace": namespace, "annotations": annotations}
    spec = {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def condition(kind: str, status: str = "True", reason: str = "Testing") -> Object:
    """Make a condition for a status: `condition("Ready", "False")`."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": now,
    }


def set_ready(api: Api, manifest: Object, status: str = "True") -> Object:
    """Set the condition Ready of an `Agent`, as kagent's controller does."""
    change = {"status": {"conditions": [condition("Ready", status)]}}
    return api.patch(manifest, change, subresource="status")


def _manifest(
    version: str,
    kind: str,
    namespace: str,
    name: str,
    labels: Mapping[str, str] | None,
    spec: Object,
) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
