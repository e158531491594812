"""The effective annotations of a pod: those of its Agent, else its own, and its Namespace's. Pure.

kagent's controller merges annotations into a Deployment and never removes one (`mutatePodTemplate` of
translator/mutate.go). So a pod may still have annotations that were removed from its Agent. The owner
edits the Agent; therefore the Agent's annotations replace the pod's if the Agent is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .annotations import INHERITED, INJECT, PREFIX, SKIPPED, STATUS, read_annotations
from .edit import Edit
from .outcome import Json, Skip
from .owner import Agent

_WRITTEN = (STATUS, SKIPPED)


@dataclass(frozen=True, slots=True)
class Sources:
    """Facts about a pod from other objects.

    `agent` is None if the pod belongs to no Agent, or if its Agent cannot be read. `namespace` has the
    annotations of a Namespace that opted in, and is None for other Namespaces. `unknown` says why a
    pod of such a Namespace cannot be injected.
    """

    agent: Agent | None = None
    namespace: Mapping[str, str] | None = None
    unknown: Skip | None = None


NOTHING = Sources()


def settle(pod: Json, sources: Sources) -> tuple[Edit, Skip | None]:
    """An edit that gives the pod its effective annotations, and a known reason to skip it, or None.

    The given pod is not changed.
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
    return edit, None


def _asked(annotations: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in annotations.items()
        if name.startswith(PREFIX) and name not in _WRITTEN
    }


def _inherited(asked: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """The annotations that the pod inherits: the request for injection, and those that it lacks."""
    agent, namespace = sources.agent, sources.namespace
    # A spawned agent inherits nothing: its SpawnPolicy has not allowed the Namespace's annotations.
    if namespace is None or (agent is not None and agent.spawned):
        return {}
    said = asked.get(INJECT, "").strip()
    if said == "false" or (not said and agent is None):
        return {}
    taken = {name: value for name, value in namespace.items() if name in INHERITED - asked.keys()}
    return taken if said else {**taken, INJECT: "true"}
