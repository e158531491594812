"""The workload of a pod."""

from __future__ import annotations

from ..base.parts import text
from ..inject.identity import workload_of
from .snapshot import Json, place_of


def owner_of(pod: Json) -> str:
    """`Kind namespace/name` of the workload that made a pod; the pod itself if there is none."""
    kind, name = workload_of(pod)
    return f"{kind} {text(pod, 'metadata', 'namespace')}/{name}" if name else place_of(pod)
