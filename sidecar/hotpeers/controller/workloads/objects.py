"""The objects of an injected workload: its Orchestrator, and the right to write its status. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hotpeers_shim.contract import clean_text

from ...base.names import NamespacedName
from ...base.parts import items, number, part, text
from ...model.orchestrator import API_VERSION, read_orchestrator
from ...model.orchestrator_conditions import conditions_with, live_condition
from ...model.orchestrator_status import LIVE, Live, age_of
from ..reasons import ControllerReason
from .pods import Workload

GROUP = "rbac.authorization.k8s.io"
NAME_UNIQUE = "NameUnique"
"""A condition that is there, with the status False, only while other workloads have the same name."""
LABELS = {"app.kubernetes.io/managed-by": "hotpeers"}
ROLE_PREFIX = "hotpeers-status-"
_MAX_NAME = 253
_NEW_SECONDS = 10.0
"""A report may arrive before the watch shows its pod."""


@dataclass(frozen=True, slots=True)
class Existing:
    """An existing Orchestrator. `owner_uids` and `is_ours` say whose it is.

    `status` has the parts of its status that the controller may change.
    """

    key: NamespacedName
    uid: str
    generation: int
    is_ours: bool
    owner_uids: frozenset[str]
    held: str
    replicas: Mapping[str, Any]
    conditions: tuple[Any, ...]


def read_existing(data: Any) -> Existing:
    """Read an Orchestrator. Raises `MalformedError`."""
    one = read_orchestrator(data)
    owners = (text(owner, "uid") for owner in items(data, "metadata", "ownerReferences"))
    status = part(data, "status")
    return Existing(
        key=one.key,
        uid=one.uid,
        generation=one.generation,
        is_ours=one.workload is not None,
        owner_uids=frozenset(owners),
        held=text(status, "held"),
        replicas={
            name: {key: entry.get(key) for key in ("time", "live", "reason", "message")}
            for name, entry in part(status, "replicas").items()
            if isinstance(entry, dict)
        },
        conditions=tuple(items(status, "conditions")),
    )


def orchestrator_of(workload: Workload) -> dict[str, Any]:
    """The Orchestrator of a workload. Kubernetes deletes it with the workload."""
    owner = workload.owner
    named = {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name}
    return {
        "apiVersion": API_VERSION,
        "kind": "Orchestrator",
        "metadata": {
            "namespace": workload.key.namespace,
            "name": workload.key.name,
            "labels": LABELS,
            "ownerReferences": [{**named, "uid": owner.uid}],
        },
        "spec": {"workload": named},
    }


def role_name(orchestrator: str) -> str:
    """The name of the Role and RoleBinding of an Orchestrator; bounded and unique."""
    name = ROLE_PREFIX + orchestrator
    if len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(orchestrator.encode()).hexdigest()[:10]
    return f"{name[: _MAX_NAME - 11].rstrip('-.')}-{digest}"


def role_of(one: Existing) -> dict[str, Any]:
    """The Role that allows to write the status of this one Orchestrator."""
    rule = {
        "apiGroups": ["hotpeers.dev"],
        "resources": ["orchestrators/status"],
        "resourceNames": [one.key.name],
        "verbs": ["get", "patch"],
    }
    return {"apiVersion": f"{GROUP}/v1", "kind": "Role", **_metadata(one), "rules": [rule]}


def binding_of(one: Existing, accounts: Iterable[str]) -> dict[str, Any]:
    """The RoleBinding that grants the Role to the ServiceAccounts of the workload's pods."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        **_metadata(one),
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role_name(one.key.name)},
        "subjects": [
            {"kind": "ServiceAccount", "name": account, "namespace": one.key.namespace}
            for account in sorted(accounts)
        ],
    }


def binds(found: object, wanted: Mapping[str, Any]) -> bool:
    """Whether an existing RoleBinding grants what is wanted, and belongs to the same Orchestrator."""
    owners = {text(one, "uid") for one in items(found, "metadata", "ownerReferences")}
    mine = text(wanted["metadata"]["ownerReferences"][0], "uid")
    subjects = sorted(text(one, "name") for one in items(found, "subjects"))
    return (
        mine in owners
        and part(found, "roleRef").get("name") == wanted["roleRef"]["name"]
        and subjects == [one["name"] for one in wanted["subjects"]]
    )


def is_made_by_us(found: object) -> bool:
    """Whether an object has our label, so that it may be replaced."""
    return LABELS.items() <= part(found, "metadata", "labels").items()


def hidden_message(workload: Workload) -> str:
    """Which other workloads have the name of this one; "" if it is the only one. Their names are bounded."""
    if not workload.hidden:
        return ""
    names = sorted(f"{one.kind} {one.name}" for one in workload.hidden)
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return (
        f"{clean_text(', '.join(names[:2]), 600)}{more} {'is' if len(names) == 1 else 'are'} not shown,"
        f" because {clean_text(workload.owner.kind, 64)} {workload.key.name} has the same name: give one"
        " of them another name"
    )


def status_change(
    one: Existing, pods: Iterable[str], held: str, now: datetime, hidden: str = ""
) -> dict[str, Any]:
    """What the controller changes in the status: reports of pods that have ended, the hold, and `hidden`.

    `hidden` is that of `hidden_message`. Empty if nothing is to be changed.
    """
    there = set(pods)
    change: dict[str, Any] = {}
    ended = [
        name
        for name, entry in one.replicas.items()
        if name not in there and age_of(text(entry, "time"), now) > _NEW_SECONDS
    ]
    conditions = list(one.conditions)
    if ended:
        change["replicas"] = dict.fromkeys(ended)
        left = {name: entry for name, entry in one.replicas.items() if name not in ended}
        outcome = live_condition(left, now)
        conditions = conditions_with(conditions, LIVE, outcome, one.generation, now)
    if hidden:
        outcome = (Live.FALSE, ControllerReason.WORKLOAD_HIDDEN.value, hidden)
        conditions = conditions_with(conditions, NAME_UNIQUE, outcome, one.generation, now)
    else:
        conditions = [found for found in conditions if part(found).get("type") != NAME_UNIQUE]
    if conditions != list(one.conditions):
        change["conditions"] = conditions
    if held != one.held:
        change["held"] = held or None
    return change


def _metadata(one: Existing) -> dict[str, Any]:
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Orchestrator",
        "name": one.key.name,
        "uid": one.uid,
    }
    return {
        "metadata": {
            "namespace": one.key.namespace,
            "name": role_name(one.key.name),
            "labels": LABELS,
            "ownerReferences": [owner],
        }
    }


def has_replicas(spec: object) -> bool:
    """Whether a Deployment or StatefulSet wants pods. One that wants none keeps its Orchestrator."""
    return number(spec, "replicas", default=1) > 0
