"""Faults of the pods and Agents that ask for injection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..base.parts import part, text
from ..controller.rbac.grants import Invitation, read_invitation, read_pod, wanted_bindings
from ..inject.annotations import INJECT, SKIPPED, Wishes, read_annotations
from ..inject.conflicts import is_injected
from ..inject.owner import GO, read_agent
from ..inject.reasons import InjectReason
from ..inject.remedies import REMEDIES
from ..model.selector import Selector
from .finding import Finding
from .owners import owner_of
from .reasons import CheckReason
from .release import injecting_webhooks
from .releases import is_live
from .snapshot import Json, Part, Snapshot, place_of
from .webhooks import label_selector

_BRIDGE = "hotpeers.dev/bridge"


def asking(snapshot: Snapshot) -> dict[str, tuple[str, Mapping[str, str]]]:
    """The workloads, Agents and bare pods that ask for injection.

    By their place: the namespace, and the annotations of their pods.
    """
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for one in snapshot.of(Part.WORKLOADS):
        _add(found, place_of(one), one, part(one, "spec", "template", "metadata", "annotations"))
    for one in snapshot.of(Part.AGENTS):
        _add(found, place_of(one), one, _annotations_of(one))
    for one in snapshot.of(Part.PODS):
        if is_live(one):
            _add(found, owner_of(one), one, part(one, "metadata", "annotations"))
    return found


def _add(
    found: dict[str, tuple[str, Mapping[str, str]]],
    place: str,
    one: Json,
    annotations: Mapping[str, Any],
) -> None:
    if str(annotations.get(INJECT)).strip() == "true":
        found.setdefault(place, (text(one, "metadata", "namespace"), annotations))


def _annotations_of(agent: Json) -> Mapping[str, str]:
    try:
        return read_agent(agent).annotations
    except (KeyError, TypeError, AttributeError):
        return {}


def asking_namespaces(snapshot: Snapshot) -> list[str]:
    """The namespaces with pods that ask for injection."""
    return sorted({namespace for namespace, _ in asking(snapshot).values()})


def named_credentials(snapshot: Snapshot) -> dict[str, list[str]]:
    """The Secrets that pods name in hotpeers.dev/credentials, as `namespace/name`, with the places."""
    found: dict[str, list[str]] = {}
    for place, (namespace, notes) in asking(snapshot).items():
        wishes = read_annotations(notes)
        # The webhook skips a pod with a malformed name, and says so.
        if isinstance(wishes, Wishes) and wishes.credentials:
            found.setdefault(f"{namespace}/{wishes.credentials}", []).append(place)
    return found


def find_excluded(snapshot: Snapshot) -> Iterator[Finding]:
    """Pods that ask in namespaces of which no webhook hears. One finding for each namespace."""
    hooks = injecting_webhooks(snapshot)
    labels = {
        one["metadata"]["name"]: part(one, "metadata", "labels")
        for one in snapshot.of(Part.NAMESPACES)
    }
    if not hooks:
        return
    places: dict[str, list[str]] = {}
    for place, (namespace, _) in asking(snapshot).items():
        if namespace in labels and not is_injectable(labels[namespace], hooks):
            places.setdefault(namespace, []).append(place)
    for namespace, found in sorted(places.items()):
        message = (
            f"the namespaceSelector of the webhook excludes it; {_listed(found)} asks for injection"
        )
        yield Finding(CheckReason.NAMESPACE_EXCLUDED, f"Namespace {namespace}", message)


def is_injectable(labels: Mapping[str, str], hooks: Iterable[Json]) -> bool:
    """Whether pods of a namespace with these labels are sent to one of the webhooks."""
    selectors = (label_selector(part(hook, "namespaceSelector")) for hook in hooks)
    return any(one is None or one.matches(labels) for one in selectors)


def find_skipped(snapshot: Snapshot) -> Iterator[Finding]:
    """Pods that were skipped, once for each workload and reason."""
    seen = set()
    for pod in snapshot.of(Part.PODS):
        why = text(pod, "metadata", "annotations", SKIPPED)
        key = (owner_of(pod), why)
        if why and is_live(pod) and not is_injected(pod) and key not in seen:
            seen.add(key)
            remedies = [REMEDIES[one] for one in InjectReason if why.startswith(f"{one.value}:")]
            yield Finding(CheckReason.POD_SKIPPED, key[0], why, "".join(remedies))


def find_not_injected(snapshot: Snapshot) -> Iterator[Finding]:
    """Pods that ask, and of which the webhook did not hear; once for each workload."""
    hooks = injecting_webhooks(snapshot)
    excluded = {
        one["metadata"]["name"]
        for one in snapshot.of(Part.NAMESPACES)
        if not is_injectable(part(one, "metadata", "labels"), hooks)
    }
    seen = set()
    for pod in snapshot.of(Part.PODS):
        annotations = part(pod, "metadata", "annotations")
        asks = str(annotations.get(INJECT)).strip() == "true" and SKIPPED not in annotations
        place = owner_of(pod)
        if not asks or is_injected(pod) or not is_live(pod) or place in seen:
            continue
        if text(pod, "metadata", "namespace") not in excluded:
            seen.add(place)
            message = f"{place_of(pod)} has no sidecar"
            yield Finding(CheckReason.POD_NOT_INJECTED, place, message)


def find_go_without_bridge(snapshot: Snapshot) -> Iterator[Finding]:
    """Agents on kagent's Go runtime that ask for injection without the bridge."""
    for one in snapshot.of(Part.AGENTS):
        annotations = _annotations_of(one)
        is_go = text(one, "spec", "declarative", "runtime") == GO
        off = str(annotations.get(_BRIDGE)).strip() == "false"
        if is_go and off and str(annotations.get(INJECT)).strip() == "true":
            message = f'it has {_BRIDGE}: "false", and its runtime cannot load the shim'
            yield Finding(CheckReason.GO_WITHOUT_BRIDGE, place_of(one), message)


def find_missing_invitations(snapshot: Snapshot) -> Iterator[Finding]:
    """Namespaces whose peers a pod asks for and that do not invite it."""
    everywhere = Selector()
    invitations: dict[str, Invitation] = {
        one["metadata"]["name"]: read_invitation(one, everywhere)
        for one in snapshot.of(Part.NAMESPACES)
    }
    pods = [read_pod(one) for one in snapshot.of(Part.PODS) if is_injected(one)]
    for problem in wanted_bindings(pods, invitations)[1]:
        where = problem.where.replace("/", " ", 1)
        yield Finding(problem.reason, where, problem.message)  # type: ignore[arg-type]


def find_missing_credentials(snapshot: Snapshot) -> Iterator[Finding]:
    """Secrets that pods name and that do not exist."""
    for secret, places in named_credentials(snapshot).items():
        if secret in snapshot.absent:
            message = f"it does not exist; {_listed(places)} names it"
            yield Finding(CheckReason.CREDENTIALS_MISSING, f"Secret {secret}", message)


def _listed(places: list[str]) -> str:
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"{', '.join(places[:3])}{more}"
