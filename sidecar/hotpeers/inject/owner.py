"""The kagent Agent that a pod belongs to, and its settings for injection. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.names import NAME
from .annotations import PREFIX
from .outcome import Json

SPAWNED_BY = f"{PREFIX}spawned-by"
"""The guard's stamp on an Agent that another agent created; see `spawnpolicy.stamps`."""
SPAWNED_LABEL = f"{PREFIX}spawned"
GO = "go"


@dataclass(frozen=True, slots=True)
class Agent:
    """The parts of an Agent that matter for injection. `annotations` are those for its pods."""

    name: str
    uid: str = ""
    api_version: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    spawned: bool = False
    runtime: str = ""
    """`spec.declarative.runtime`; "" if it is not set, which kagent treats as Python."""


def agent_name(pod: Json) -> str:
    """The name of the Agent whose Deployment created this pod; "" for every other pod.

    kagent names the Deployment after the Agent and labels its pods `app: kagent, kagent: NAME`
    (`newManifestContext` of translator/agent/manifest_builder.go, 0.7 to 0.10). The ReplicaSet must
    have the name too, because a label alone does not prove that the pod belongs to the Agent.
    """
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    name, template = str(labels.get("kagent") or ""), labels.get("pod-template-hash")
    if labels.get("app") != "kagent" or not template or not NAME.fullmatch(name):
        return ""
    made_by = {
        str(owner.get("name"))
        for owner in metadata.get("ownerReferences") or []
        if owner.get("controller") and owner.get("kind") == "ReplicaSet"
    }
    return name if made_by == {f"{name}-{template}"} else ""


def read_agent(data: Any) -> Agent:
    """An Agent of v1alpha2 or v1alpha1. Raises KeyError, TypeError or AttributeError for other data.

    kagent copies the annotations of `deployment` to the pod template, but not those of the Agent's
    own metadata (`buildPodTemplate`). In v1alpha1, `deployment` is a field of the spec itself.
    """
    metadata, spec = data["metadata"], data.get("spec") or {}
    kind = spec.get("type")
    declarative, byo = spec.get("declarative") or {}, spec.get("byo") or {}
    places = {"Declarative": [declarative], "BYO": [byo]}.get(str(kind), [spec, declarative, byo])
    annotations: dict[str, str] = {}
    for place in places:
        annotations |= (place.get("deployment") or {}).get("annotations") or {}
    stamps = metadata.get("annotations") or {}
    return Agent(
        name=str(metadata["name"]),
        uid=str(metadata.get("uid") or ""),
        api_version=str(data.get("apiVersion") or ""),
        annotations={str(key): str(value) for key, value in annotations.items()},
        spawned=SPAWNED_BY in stamps or SPAWNED_LABEL in (metadata.get("labels") or {}),
        runtime=str(declarative.get("runtime") or "") if kind != "BYO" else "",
    )
