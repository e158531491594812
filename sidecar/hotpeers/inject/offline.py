"""Injects manifests without a cluster, as the webhook would inject their pods. Pure.

The webhook sees a pod after Kubernetes has filled in defaults and its owner. Here only those are
assumed that the decision depends on: a ServiceAccount, and the name of the workload.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hotpeers_shim.contract import clean_text

from ..base.parts import part, text
from .annotations import BRIDGE, DISABLED, INJECT, INJECTION_LABEL, Wishes, read_annotations
from .effective import NOTHING, Sources, settle
from .injector import make_patch
from .outcome import Injection, Json, Skip
from .owner import GO, Agent, read_agent
from .reasons import InjectReason
from .shape import fault_of_agent, fault_of_object, fault_of_template

_ROLLOUT = ("argoproj.io", "Rollout")
_TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    _ROLLOUT: ("spec", "template"),
}
_KAGENT, _KAGENT_1 = ("kagent.dev", "Agent"), ("api.kagent.dev", "Agent")
_NAMESPACE = ("", "Namespace")
_MAX_TITLE = 400


class Result(StrEnum):
    """What happens to one document."""

    INJECTED = "injected"
    SKIPPED = "skipped"
    EXPECTED = "injected when kagent creates its pods"
    NOT_ASKED = "not injected: no annotation asks for it"
    DISABLED = "not injected: its Namespace has the label hotpeers.dev/injection: disabled"
    REFERS = "has its pod template in another workload (spec.workloadRef)"
    INVALID = "invalid"
    OTHER = "no pods"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one document. `operations` is a JSON patch of the whole document.

    `skips` has the reasons for what is not injected: of the whole pod if it is skipped, else of parts.
    """

    title: str
    result: Result
    document: Any
    operations: tuple[Json, ...] = ()
    skips: tuple[Skip, ...] = ()
    warnings: tuple[str, ...] = ()


def namespaces_of(documents: Iterable[Any]) -> dict[str, Json]:
    """The `metadata` of the Namespaces among the documents, by name."""
    found = {}
    for one in documents:
        if _key(one) == _NAMESPACE and not fault_of_object(one):
            found[text(one, "metadata", "name")] = part(one, "metadata")
    return found


def inject_document(
    document: Any, namespace: str, injection: Injection, spaces: Mapping[str, Json]
) -> Outcome:
    """What the webhook does with the pods of a document. `namespace` is used if it names none.

    `spaces` has the metadata of the known Namespaces, for their labels and annotations. The document
    is not changed. It never raises because of the document.
    """
    kind = text(document, "kind")
    place = text(document, "metadata", "namespace") or namespace
    name = text(document, "metadata", "name") or text(document, "metadata", "generateName")
    title = clean_text(f"{kind} {place}/{name or '?'}", _MAX_TITLE)
    key = _key(document)
    is_read = key in {*_TEMPLATES, _KAGENT, _KAGENT_1, _NAMESPACE}
    if is_read and (wrong := fault_of_object(document)):
        return Outcome(title, Result.INVALID, document, warnings=(wrong,))
    try:
        if key == _KAGENT_1:
            return _agent_without_pod(document, title)
        if key == _KAGENT:
            return _agent(document, title, place, injection, spaces)
        if key in _TEMPLATES:
            return _pod(document, title, place, injection, spaces, _TEMPLATES[key])
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # The API server would reject it.
        wrong = f"is not a valid {kind}: {type(error).__name__}: {str(error)[:100]}"
        return Outcome(title, Result.INVALID, document, warnings=(wrong,))
    return Outcome(title, Result.OTHER, document)


def _pod(  # noqa: PLR0913, PLR0917 - all that is known
    document: Json,
    title: str,
    place: str,
    injection: Injection,
    spaces: Mapping[str, Json],
    path: tuple[str, ...],
) -> Outcome:
    template = _at(document, path)
    if template is None:
        return _without_template(document, title, path)
    if wrong := fault_of_template(template, path):
        return Outcome(title, Result.INVALID, document, warnings=(wrong,))
    if _is_disabled(spaces.get(place)):
        return Outcome(title, Result.DISABLED, document)
    pod = _as_created(template, document, path)
    sources = _sources(spaces.get(place))
    # An Agent's pod of a Namespace that opted in is known by its Agent only.
    edit, known = settle(pod, sources)
    patch = make_patch(edit.pod, place, injection, known=known)
    if patch.skip is not None:
        skips = (patch.skip,)
        warnings = tuple(one for one in patch.warnings if not _tells(one, skips))
        return Outcome(title, Result.SKIPPED, document, skips=skips, warnings=warnings)
    if not patch.asked:
        return Outcome(title, Result.NOT_ASKED, document)
    warnings = tuple(one for one in patch.warnings if not _tells(one, patch.without))
    operations = tuple(_below(path, one) for one in (*edit.operations, *patch.operations))
    return Outcome(
        title,
        Result.INJECTED,
        apply_operations(document, operations),
        operations,
        patch.without,
        warnings,
    )


def _without_template(document: Json, title: str, path: tuple[str, ...]) -> Outcome:
    # Argo Rollouts: the template is that of a Deployment, which has the annotations of the pods.
    if _key(document) == _ROLLOUT and part(document, "spec", "workloadRef"):
        return Outcome(title, Result.REFERS, document)
    wrong = f"{'.'.join(path)}: is missing, so there is no pod template"
    return Outcome(title, Result.INVALID, document, warnings=(wrong,))


def _tells(warning: str, skips: tuple[Skip, ...]) -> bool:
    return any(str(skip) in warning for skip in skips)


def _as_created(template: Json, document: Json, path: tuple[str, ...]) -> Json:
    """The pod as the webhook gets it. Edits of it hold for the template too."""
    spec = {"serviceAccountName": "default", **template["spec"]}
    if not spec["serviceAccountName"]:
        spec["serviceAccountName"] = "default"
    metadata = template.get("metadata")
    name = text(document, "metadata", "name")
    if path and name and metadata and not metadata.get("ownerReferences"):
        owner = {"controller": True, "kind": document["kind"], "name": name}
        metadata = {**metadata, "ownerReferences": [owner]}
    created = {**template, "spec": spec}
    return {**created, "metadata": metadata} if metadata is not None else created


def _agent(
    document: Json, title: str, place: str, injection: Injection, spaces: Mapping[str, Json]
) -> Outcome:
    if wrong := fault_of_agent(document):
        return Outcome(title, Result.INVALID, document, warnings=(wrong,))
    warnings = tuple(
        f"{one} in the metadata of an Agent has no effect: kagent copies annotations to pods only "
        "from spec.declarative.deployment.annotations (or spec.byo)"
        for one in _misplaced(document)
    )
    agent = read_agent(document)
    space = spaces.get(place)
    asked = _asked(agent, space)
    if _is_disabled(space):
        return Outcome(title, Result.DISABLED, document, warnings=warnings)
    if asked is None:
        return Outcome(title, Result.NOT_ASKED, document, warnings=warnings)
    if isinstance(asked, Skip):
        return Outcome(title, Result.SKIPPED, document, skips=(asked,), warnings=warnings)
    warnings = (*warnings, *asked.warnings)
    if agent.runtime == GO and asked.bridge is False:
        skip = Skip(InjectReason.NOT_PYTHON, f"{BRIDGE} is false")
        return Outcome(title, Result.SKIPPED, document, skips=(skip,), warnings=warnings)
    skips = []
    if asked.spawn and not (asked.registry or injection.registry_url):
        skips.append(Skip(InjectReason.REGISTRY_UNKNOWN))
    has_bridge = asked.bridge or agent.runtime == GO
    if asked.hot_config and has_bridge:
        skips.append(Skip(InjectReason.HOT_CONFIG_NEEDS_SHIM))
    if asked.restarts and not has_bridge:
        skips.append(Skip(InjectReason.HOT_CONFIG_NEEDS_BRIDGE))
    return Outcome(title, Result.EXPECTED, document, skips=tuple(skips), warnings=warnings)


def _agent_without_pod(document: Json, title: str) -> Outcome:
    if not _misplaced(document):
        return Outcome(title, Result.OTHER, document)
    why = "an Agent of kagent 1.x has no pod of its own; use an Orchestrator and the hub"
    return Outcome(title, Result.NOT_ASKED, document, warnings=(why,))


def _misplaced(agent: Json) -> list[str]:
    own = part(agent, "metadata", "annotations")
    return sorted(one for one in own if one in (INJECT, BRIDGE))


def _asked(agent: Agent, space: Json | None) -> Wishes | Skip | None:
    """The settings that an Agent's pods will have."""
    pod = {"metadata": {"annotations": dict(agent.annotations)}, "spec": {}}
    namespace = _sources(space).namespace
    edit, known = settle(pod, Sources(agent=agent, namespace=namespace))
    return known or read_annotations(edit.pod["metadata"]["annotations"])


def _sources(space: Json | None) -> Sources:
    if space is None or part(space, "labels").get(INJECTION_LABEL) != "enabled":
        return NOTHING
    return Sources(namespace=part(space, "annotations"))


def _is_disabled(space: Json | None) -> bool:
    return space is not None and part(space, "labels").get(INJECTION_LABEL) == DISABLED


def _key(document: Any) -> tuple[str, str]:
    """The API group and the kind."""
    group, slash, _ = text(document, "apiVersion").partition("/")
    return group if slash else "", text(document, "kind")


def _at(document: Json, path: tuple[str, ...]) -> Json | None:
    here: Any = document
    for key in path:
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else None


def _below(path: tuple[str, ...], operation: Json) -> Json:
    prefix = "".join(f"/{key}" for key in path)
    return {**operation, "path": prefix + operation["path"]}


def apply_operations(document: Json, operations: Iterable[Json]) -> Json:
    """A copy of the document with the operations of an `Edit`: `add` and `remove`."""
    changed: Json = copy.deepcopy(document)
    for one in operations:
        *parents, last = (
            key.replace("~1", "/").replace("~0", "~") for key in one["path"].split("/")[1:]
        )
        here = changed
        for key in parents:
            here = here[int(key)] if isinstance(here, list) else here[key]
        if one["op"] == "remove":
            del here[last]
        elif not isinstance(here, list):
            here[last] = copy.deepcopy(one["value"])
        else:
            here.insert(len(here) if last == "-" else int(last), copy.deepcopy(one["value"]))
    return changed
