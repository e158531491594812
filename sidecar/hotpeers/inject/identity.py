"""The names of the orchestrator and of the workload in a pod."""

from __future__ import annotations

from collections.abc import Iterator

from ..base.names import NAME
from ..base.parts import items, part, text
from .outcome import Json

_MAKERS = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}
"""The makers of ReplicaSets, by the label of a pod whose value ends the name of its ReplicaSet. The second
is that of Argo Rollouts (pkg/apis/rollouts/v1alpha1/types.go, `DefaultRolloutUniqueLabelKey`)."""


def orchestrator_name(pod: Json) -> str:
    """The agent's name from kagent's label, else from the app label, else from its owner; else ""."""
    # Skip invalid names: a sidecar with an invalid name does not start, one without a name does.
    return next((name for name in _candidates(pod) if NAME.fullmatch(name)), "")


def workload_name(pod: Json) -> str:
    """The name of the workload that made a pod, such as a Deployment; "" for a pod without one.

    The controller gives the workload's Orchestrator this name.
    """
    _, name = workload_of(pod)
    return name if NAME.fullmatch(name) else ""


def workload_of(pod: Json) -> tuple[str, str]:
    """The kind and name of the workload that made a pod; two empty texts for a pod without one.

    A pod names only its ReplicaSet as its owner, so those of a Deployment and a Rollout follow from
    the pod's labels.
    """
    for owner in items(pod, "metadata", "ownerReferences"):
        if part(owner).get("controller") is not True:
            continue
        kind, name = text(owner, "kind"), text(owner, "name")
        for label, maker in _MAKERS.items() if kind == "ReplicaSet" else ():
            digest = text(pod, "metadata", "labels", label)
            if digest and name.endswith(f"-{digest}"):
                return maker, name.removesuffix(f"-{digest}")
        return kind, name
    return "", ""


def _candidates(pod: Json) -> Iterator[str]:
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if labels.get("app") == "kagent":
        yield labels.get("kagent", "")
    yield labels.get("app.kubernetes.io/name", "")
    yield workload_of(pod)[1]
