"""The names of the orchestrator and of the workload in a pod."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .outcome import Json

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def orchestrator_name(pod: Json) -> str:
    """The agent's name from kagent's label, else from the app label, else from its owner; else ""."""
    # Skip invalid names: a sidecar with an invalid name does not start, one without a name does.
    return next((name for name in _candidates(pod) if _NAME.fullmatch(name)), "")


def workload_name(pod: Json) -> str:
    """The name of the workload that made a pod, such as a Deployment; "" for a pod without one.

    The controller gives the workload's Orchestrator this name.
    """
    name = next(_owners(pod), "")
    return name if _NAME.fullmatch(name) else ""


def _candidates(pod: Json) -> Iterator[str]:
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if labels.get("app") == "kagent":
        yield labels.get("kagent", "")
    yield labels.get("app.kubernetes.io/name", "")
    yield from _owners(pod)


def _owners(pod: Json) -> Iterator[str]:
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    for owner in metadata.get("ownerReferences") or []:
        if owner.get("controller"):
            name = owner.get("name", "")
            if owner.get("kind") == "ReplicaSet":
                name = name.removesuffix(f"-{labels.get('pod-template-hash', '')}")
            yield name
