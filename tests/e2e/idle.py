"""Pods that are admitted and then wait for a node that there is not: for tests of admission alone."""

from __future__ import annotations

from collections.abc import Mapping

from e2e.kagent import RESTRICTED, RESTRICTED_POD
from kit.apiserver.client import Object
from kit.node.images import HOTPEERS


def idle_pod(namespace: str, name: str, annotations: Mapping[str, str]) -> Object:
    """A pod that is never scheduled."""
    container = {"name": "agent", "image": HOTPEERS, "securityContext": RESTRICTED}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": dict(annotations)},
        "spec": {
            "securityContext": RESTRICTED_POD,
            "containers": [container],
            "nodeSelector": {"hotpeers.dev/nowhere": "true"},
        },
    }


def idle_pods(namespace: str, name: str, count: int, annotations: Mapping[str, str]) -> Object:
    """A ReplicaSet of such pods: the way in which many are created at once."""
    pod = idle_pod(namespace, name, annotations)
    labels = {"set": name}
    template = {
        "metadata": {"labels": labels, "annotations": dict(annotations)},
        "spec": pod["spec"],
    }
    spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}


def is_injected(pod: Object) -> bool:
    """Whether a pod was injected when it was created."""
    labels = pod["metadata"].get("labels") or {}
    return labels.get("hotpeers.dev/injected") == "true"
