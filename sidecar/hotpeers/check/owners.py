"""The workload of a pod."""

from __future__ import annotations

from ..base.parts import items, text
from .snapshot import Json, place_of


def owner_of(pod: Json) -> str:
    """`Kind namespace/name` of the workload that made a pod; the pod itself if there is none."""
    for owner in items(pod, "metadata", "ownerReferences"):
        if owner.get("controller"):
            kind, name = text(owner, "kind"), text(owner, "name")
            digest = text(pod, "metadata", "labels", "pod-template-hash")
            if kind == "ReplicaSet" and digest and name.endswith(f"-{digest}"):
                kind, name = "Deployment", name.removesuffix(f"-{digest}")
            return f"{kind} {text(pod, 'metadata', 'namespace')}/{name}"
    return place_of(pod)
