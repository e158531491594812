"""The workloads of injected pods. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...base.names import NAME, NamespacedName
from ...base.parts import items, part, text
from ...inject.conflicts import is_injected
from ...inject.identity import workload_name
from ...inject.own_container import ends

REPLICA_SET = "ReplicaSet"
_APPS = "apps/v1"
_SCALED = ("Deployment", "StatefulSet", REPLICA_SET)


@dataclass(frozen=True, slots=True)
class Owner:
    """The controlling owner of an object."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class InjectedPod:
    """A pod with our sidecar.

    `workload` is the name of its workload, "" if it has none whose state is shown: a pod that was made
    by hand, or one that ends by itself, as that of a Job. `account` is its ServiceAccount. `ending` is
    whether it is being deleted.
    """

    key: NamespacedName
    workload: str
    owner: Owner | None
    account: str
    ending: bool = False


@dataclass(slots=True)
class Workload:
    """An injected workload: its owner, and the accounts and names of its pods.

    `hidden` has the owners of another kind that have the same name. Their state is not shown.
    """

    key: NamespacedName
    owner: Owner
    accounts: set[str] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)
    hidden: frozenset[Owner] = frozenset()


def read_injected_pod(data: Any) -> InjectedPod:
    """Read a pod with the label of injected pods. The label alone proves nothing."""
    metadata, spec = part(data, "metadata"), part(data, "spec")
    ended = text(data, "status", "phase") in ("Succeeded", "Failed")
    shown = is_injected(data) and not ended and not ends(data)
    return InjectedPod(
        key=NamespacedName(text(metadata, "namespace"), text(metadata, "name")),
        workload=workload_name(data) if shown else "",
        owner=owner_of(data),
        account=text(spec, "serviceAccountName") or "default",
        ending=bool(text(metadata, "deletionTimestamp")),
    )


def owner_of(data: object) -> Owner | None:
    """The controlling owner of an object; None if it has none."""
    owners = items(data, "metadata", "ownerReferences")
    return _first(one for one in owners if part(one).get("controller") is True)


def first_owner(data: object) -> Owner | None:
    """The first owner of an object; None if it has none."""
    return _first(items(data, "metadata", "ownerReferences"))


def _first(references: Iterable[Any]) -> Owner | None:
    for one in references:
        api_version, kind = text(one, "apiVersion"), text(one, "kind")
        name, uid = text(one, "name"), text(one, "uid")
        if api_version and kind and name and uid:
            return Owner(api_version, kind, name, uid)
    return None


def scaled_path(namespace: str, owner: Owner) -> str:
    """The path of a Deployment, StatefulSet or ReplicaSet; "" for another kind or an odd name.

    The API server checks neither name nor kind in an owner reference, so ".." in it could lead a
    request to any other object.
    """
    if owner.api_version != _APPS or owner.kind not in _SCALED or not NAME.fullmatch(owner.name):
        return ""
    return f"/apis/{_APPS}/namespaces/{namespace}/{owner.kind.lower()}s/{owner.name}"


def workloads_of(
    pods: Iterable[InjectedPod], owners: Mapping[str, Owner | None]
) -> tuple[dict[NamespacedName, Workload], frozenset[tuple[str, Owner]]]:
    """The workloads, and the ReplicaSets with their namespaces whose owners are not known yet.

    `owners` has the owner of each ReplicaSet by its uid: None if it has no owner. If two workloads
    have the same name, the one with the smaller kind and uid is shown; but one whose pods all end only
    if there is no other, because it may have been deleted and created again.
    """
    found: dict[NamespacedName, Workload] = {}
    ending: set[NamespacedName] = set()
    lasting: dict[NamespacedName, set[Owner]] = defaultdict(set)
    unknown: set[tuple[str, Owner]] = set()
    for pod in sorted(pods, key=lambda one: (one.ending, one.key)):
        if not pod.workload or pod.owner is None:
            continue
        owner: Owner = pod.owner
        known = owner.uid in owners or not scaled_path(pod.key.namespace, owner)
        if owner.kind == REPLICA_SET and not known:
            unknown.add((pod.key.namespace, owner))
            continue
        owner = owners.get(owner.uid) or owner
        key = NamespacedName(pod.key.namespace, pod.workload)
        one = found.get(key)
        if not pod.ending:
            lasting[key].add(owner)
        elif one is None:
            ending.add(key)
        # Pods that end come last.
        rivals = pod.ending == (key in ending)
        smaller = one is not None and (owner.kind, owner.uid) < (one.owner.kind, one.owner.uid)
        if one is None or (rivals and smaller):
            one = found[key] = Workload(key, owner)
        if one.owner == owner:
            one.accounts.add(pod.account)
            one.pods.add(pod.key.name)
    for key, one in found.items():
        one.hidden = frozenset(rival for rival in lasting[key] if rival.kind != one.owner.kind)
    return found, frozenset(unknown)
