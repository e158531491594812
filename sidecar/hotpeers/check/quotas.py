"""ResourceQuotas without room for injected containers, and pods that a quota has rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..base.parts import part, text
from ..inject.annotations import PREFIX
from ..inject.resources import RESOURCES, in_bytes, millicores
from .finding import Finding, Severity
from .reasons import CheckReason
from .release import controllers
from .snapshot import Part, Snapshot, place_of
from .workloads import asking

_READ: Mapping[str, Callable[[object], int | None]] = {"cpu": millicores, "memory": in_bytes}
_REJECTED = ("exceeded quota", "failed quota")


def find_full_quotas(snapshot: Snapshot) -> Iterator[Finding]:
    """Quotas that have less room than one more injected container takes."""
    releases = controllers(snapshot)
    default = releases[0].sidecar_resources if releases else {}
    needs: dict[str, dict[tuple[str, str], str]] = {}
    for namespace, notes in asking(snapshot).values():
        for (kind, resource), amount in _amounts(default, notes).items():
            place = needs.setdefault(namespace, {})
            if _value(resource, amount) > _value(resource, place.get((kind, resource), "0")):
                place[kind, resource] = amount
    for quota in snapshot.of(Part.QUOTAS):
        hard, used = (part(quota, "status", name) for name in ("hard", "used"))
        lacking = []
        for (kind, resource), amount in needs.get(text(quota, "metadata", "namespace"), {}).items():
            for name in _names(kind, resource):
                limit, taken = (_READ[resource](one.get(name, "0")) for one in (hard, used))
                if name not in hard or limit is None or taken is None:
                    continue
                if limit - taken < _value(resource, amount):
                    told = f"{used.get(name, '0')} of {hard[name]} {name} are used"
                    lacking.append(f"{told}, and the sidecar needs {amount}")
        if lacking:
            yield Finding(CheckReason.QUOTA_EXCEEDED, place_of(quota), "; ".join(lacking))


def find_rejected_pods(snapshot: Snapshot) -> Iterator[Finding]:
    """Events that say that a quota rejected a pod of a workload that asks for injection."""
    seen = set()
    namespaces = {namespace for namespace, _ in asking(snapshot).values()}
    for event in snapshot.of(Part.EVENTS):
        about = part(event, "involvedObject")
        place = f"{text(about, 'kind')} {text(about, 'namespace')}/{text(about, 'name')}"
        message = text(event, "message")
        is_ours = text(about, "namespace") in namespaces and place not in seen
        if is_ours and is_of_quota(message):
            seen.add(place)
            yield Finding(CheckReason.QUOTA_EXCEEDED, place, message[:300], level=Severity.ERROR)


def is_of_quota(message: str) -> bool:
    """Whether an error message of the API server is about a quota (plugin/pkg/admission/resourcequota)."""
    return any(words in message for words in _REJECTED)


def _amounts(
    default: Mapping[str, object], annotations: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    found = {
        (kind, resource): str(amount)
        for kind in ("requests", "limits")
        for resource, amount in part(default, kind).items()
        if resource in _READ
    }
    for name, key in RESOURCES.items():
        if amount := str(annotations.get(f"{PREFIX}{name}") or ""):
            found[key] = amount
    return found


def _value(resource: str, amount: str) -> int:
    return _READ[resource](amount) or 0


def _names(kind: str, resource: str) -> tuple[str, ...]:
    # `cpu` is another name of `requests.cpu`.
    return (f"{kind}.{resource}", resource) if kind == "requests" else (f"{kind}.{resource}",)
