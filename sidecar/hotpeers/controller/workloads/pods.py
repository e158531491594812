"""The workloads of injected pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import items, part, text
from ...inject.conflicts import is_injected
from ...inject.identity import workload_name
from ...inject.own_container import ends

REPLICA_SET = "ReplicaSet"


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
    by hand, or one that ends by itself, as that of a Job. `account` is its ServiceAccount.
    """

    key: NamespacedName
    workload: str
    owner: Owner | None
    account: str


@dataclass(slots=True)
class Workload:
    """An injected workload: its owner, and the accounts and names of its pods."""

    key: NamespacedName
    owner: Owner
    accounts: set[str] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)


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
    )


def owner_of(data: object) -> Owner | None:
    """The controlling owner of an object; None if it has none."""
    for one in items(data, "metadata", "ownerReferences"):
        if isinstance(one, dict) and one.get("controller") is True:
            api_version, kind = text(one, "apiVersion"), text(one, "kind")
            name, uid = text(one, "name"), text(one, "uid")
            if api_version and kind and name and uid:
                return Owner(api_version, kind, name, uid)
    return None


def workloads_of(
    pods: Iterable[InjectedPod], owners: Mapping[str, Owner | None]
) -> tuple[dict[NamespacedName, Workload], frozenset[tuple[str, Owner]]]:
    """The workloads, and the ReplicaSets with their namespaces whose owners are not known yet.

    `owners` has the owner of each ReplicaSet by its uid: None if it has no owner. If two workloads
    have the same name, the one with the smaller kind and uid is shown.
    """
    found: dict[NamespacedName, Workload] = {}
    unknown: set[tuple[str, Owner]] = set()
    for pod in sorted(pods, key=lambda one: one.key):
        if not pod.workload or pod.owner is None:
            continue
        owner: Owner = pod.owner
        if owner.kind == REPLICA_SET and owner.uid not in owners:
            unknown.add((pod.key.namespace, owner))
            continue
        owner = owners.get(owner.uid) or owner
        key = NamespacedName(pod.key.namespace, pod.workload)
        one = found.get(key)
        if one is None or (owner.kind, owner.uid) < (one.owner.kind, one.owner.uid):
            one = found[key] = Workload(key, owner)
        if one.owner == owner:
            one.accounts.add(pod.account)
            one.pods.add(pod.key.name)
    return found, frozenset(unknown)
