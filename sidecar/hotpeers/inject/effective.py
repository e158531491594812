"""What holds for a pod: the annotations of its Agent before its own, and those of its Namespace. Pure.

kagent's controller merges annotations into a Deployment and never removes one
(`mutatePodTemplate` of translator/mutate.go), so that a pod goes on to have what its Agent no longer
asks for. The Agent itself is what its owner edits: where it is known, it decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .annotations import INHERITED, INJECT, PREFIX, SKIPPED, STATUS, read_annotations
from .edit import Edit
from .outcome import Json, Skip
from .owner import GO, Agent
from .reasons import InjectReason

_WRITTEN = (STATUS, SKIPPED)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known of a pod apart from itself.

    `agent` is None where the pod is no Agent's, or its Agent cannot be read. `namespace` are the
    annotations of a Namespace that opted in; None where it did not. `unknown` says why a pod of such
    a Namespace cannot be judged.
    """

    agent: Agent | None = None
    namespace: Mapping[str, str] | None = None
    unknown: Skip | None = None


NOTHING = Sources()


def settle(pod: Json, sources: Sources) -> tuple[Edit, Skip | None]:
    """The pod with the annotations that hold for it, and why it cannot be injected, if that is known.

    The pod that is given stays as it is.
    """
    edit = Edit(pod)
    before = _asked((pod.get("metadata") or {}).get("annotations") or {})
    asked = _asked(sources.agent.annotations) if sources.agent is not None else dict(before)
    inherited = _inherited(asked, sources)
    asked = {**asked, **inherited}
    for name in sorted(before.keys() - asked.keys()):
        edit.remove("metadata", "annotations", name)
    for name, value in sorted(asked.items()):
        if before.get(name) != value:
            edit.put(value, "metadata", "annotations", name)
    bad = read_annotations({**inherited, INJECT: "true"}) if inherited else None
    if isinstance(bad, Skip):
        return edit, Skip(bad.reason, f"of the Namespace: {bad.detail}")
    return edit, _cannot_load(sources.agent)


def _asked(annotations: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in annotations.items()
        if name.startswith(PREFIX) and name not in _WRITTEN
    }


def _inherited(asked: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """What the pod takes from its Namespace: that it is injected, and what it does not say itself."""
    agent, namespace = sources.agent, sources.namespace
    # A spawned agent is what its SpawnPolicy allows, which says nothing of its Namespace.
    if namespace is None or (agent is not None and agent.spawned):
        return {}
    said = asked.get(INJECT, "").strip()
    if said == "false" or (not said and agent is None):
        return {}
    taken = {name: value for name, value in namespace.items() if name in INHERITED - asked.keys()}
    return taken if said else {**taken, INJECT: "true"}


def _cannot_load(agent: Agent | None) -> Skip | None:
    """Why the shim cannot be loaded, whatever the image is called."""
    if agent is not None and agent.runtime == GO:
        return Skip(InjectReason.NOT_PYTHON, f"its Agent has runtime: {GO}, set runtime: python")
    return None
