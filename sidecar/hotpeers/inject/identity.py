"""Who the orchestrator of a pod is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .outcome import Json

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def orchestrator_name(pod: Json) -> str:
    """The name of the agent: as kagent labels it, else by its label or its owner; else ""."""
    # A sidecar that is told no good name does not start; one that is told none does.
    return next((name for name in _candidates(pod) if _NAME.fullmatch(name)), "")


def _candidates(pod: Json) -> Iterator[str]:
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if labels.get("app") == "kagent":
        yield labels.get("kagent", "")
    yield labels.get("app.kubernetes.io/name", "")
    for owner in metadata.get("ownerReferences") or []:
        if owner.get("controller"):
            name = owner.get("name", "")
            if owner.get("kind") == "ReplicaSet":
                name = name.removesuffix(f"-{labels.get('pod-template-hash', '')}")
            yield name
