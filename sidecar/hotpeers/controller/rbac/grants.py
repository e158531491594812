"""Computes the RoleBindings that the existing injected pods need. Pure functions.

A binding belongs to hotpeers only if it has the label of hotpeers, and the name that follows from
its content. A binding that somebody else created or changed is never removed as unneeded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...inject.annotations import (
    DISABLED,
    EVERY_NAMESPACE,
    INJECTION_LABEL,
    NAMESPACES,
    read_namespaces,
)
from ...inject.conflicts import is_injected
from ...model.invitation import readers_of
from ...model.selector import Selector
from ..reasons import ControllerReason

PEERS, FEEDBACK, DEFINITIONS = "hotpeers-peers", "hotpeers-feedback", "hotpeers-definitions"
ROLES = (PEERS, FEEDBACK, DEFINITIONS)
GROUP = "rbac.authorization.k8s.io"
MANAGED_BY = ("app.kubernetes.io/managed-by", "hotpeers")
GRACE_SECONDS = 60.0
"""How long a binding stays after its last pod: the pod may only be replaced."""
_MAX_NAME = 200
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """A pod with our sidecar: its account, and the namespaces that it asks for.

    `live` is false if the pod ended, or if it has the label but no sidecar.
    """

    account: Account
    namespaces: frozenset[str]
    live: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """The accounts that may read peers in a namespace, and whether its pods may be injected.

    `readers` has names of namespaces, accounts as `namespace/name`, and "*" for all namespaces.
    """

    namespace: str
    readers: frozenset[str]
    injects: bool = True

    def admits(self, account: Account) -> bool:
        """Whether an account may read here. Accounts of this namespace always may."""
        names = (EVERY_NAMESPACE, account.namespace, str(account))
        return account.namespace == self.namespace or not self.readers.isdisjoint(names)


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """An account bound to a role, in the namespace `place`; in the whole cluster if that is ""."""

    role: str
    place: str
    account: Account

    @property
    def name(self) -> str:
        """A deterministic, bounded and unique name. The digest covers parts that are cut off."""
        content = "/".join((self.role, self.place, str(self.account)))
        digest = hashlib.sha256(content.encode()).hexdigest()[:10]
        title = f"{self.role}-{self.account.namespace}-{self.account.name}"
        return f"{title[:_MAX_NAME]}-{digest}"

    @property
    def key(self) -> NamespacedName:
        """The namespace ("" for a ClusterRoleBinding) and name of the object."""
        return NamespacedName(self.place, self.name)

    def __str__(self) -> str:
        if self.place:
            return f"RoleBinding/{self.place}/{self.name}"
        return f"ClusterRoleBinding/{self.name}"


@dataclass(frozen=True, slots=True)
class Existing:
    """An existing binding with our label.

    `binding` is None if somebody else created or changed it.
    """

    key: NamespacedName
    uid: str
    binding: Binding | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The bindings to create and delete.

    `idle` has the time since which a kept binding is unneeded. `due` is the time of the next plan.
    """

    creates: tuple[Binding, ...] = ()
    deletes: tuple[Existing, ...] = ()
    idle: Mapping[NamespacedName, float] = field(default_factory=dict)
    due: float | None = None


def wanted_bindings(
    orchestrators: Iterable[Orchestrator], invitations: Mapping[str, Invitation]
) -> tuple[frozenset[Binding], tuple[Problem, ...]]:
    """The bindings that live pods need, and a problem for each request that is not granted."""
    bindings: set[Binding] = set()
    problems: dict[Problem, None] = {}
    for pod in orchestrators:
        account = pod.account
        home = invitations.get(account.namespace)
        if not pod.live or home is None:
            continue
        if not home.injects:
            if len(problems) < _MAX_PROBLEMS:
                message = "its pods with the label hotpeers.dev/injected get no rights"
                where = f"Namespace/{home.namespace}"
                problems[Problem(where, ControllerReason.INJECTION_DISABLED, message)] = None
            continue
        bindings.add(Binding(FEEDBACK, account.namespace, account))
        bindings.add(Binding(DEFINITIONS, "", account))
        # Skip "*": it is a right over the whole cluster, and only an operator may grant that.
        for place in sorted({*pod.namespaces, account.namespace} - {EVERY_NAMESPACE}):
            invitation = invitations.get(place)
            if invitation is not None and invitation.admits(account):
                bindings.add(Binding(PEERS, place, account))
            elif len(problems) < _MAX_PROBLEMS:
                what = "does not exist" if invitation is None else f"does not name {account}"
                message = f"it {what}, whose pods ask for its peers"
                if invitation is None:
                    message = f"it does not exist, and pods of {account} ask for its peers"
                problems[
                    Problem(f"Namespace/{place}", ControllerReason.READERS_NOT_INVITED, message)
                ] = None
    return frozenset(bindings), tuple(problems)


def make_plan(
    wanted: frozenset[Binding],
    existing: Iterable[Existing],
    invitations: Mapping[str, Invitation],
    idle: Mapping[NamespacedName, float],
    now: float,
) -> Plan:
    """Plan which bindings to create and delete.

    If a namespace withdraws its invitation, the binding is deleted at once, without
    `GRACE_SECONDS`.
    """
    names = {binding.key: binding for binding in wanted}
    there: set[NamespacedName] = set()
    deletes: list[Existing] = []
    still: dict[NamespacedName, float] = {}
    for one in existing:
        binding = one.binding
        if one.key in names and binding != names[one.key]:
            # Its name is ours, but its content was changed. The role of a binding is immutable,
            # so delete it and create it again.
            deletes.append(one)
        elif one.key in names:
            there.add(one.key)
        elif binding is not None:
            since = idle.get(one.key, now)
            if not _admitted(binding, invitations) or now - since >= GRACE_SECONDS:
                deletes.append(one)
            else:
                still[one.key] = since
    creates = sorted(binding for key, binding in names.items() if key not in there)
    due = min(still.values()) + GRACE_SECONDS if still else None
    return Plan(tuple(creates), tuple(deletes), still, due)


def _admitted(binding: Binding, invitations: Mapping[str, Invitation]) -> bool:
    home = invitations.get(binding.account.namespace)
    if home is not None and not home.injects:
        return False
    if not binding.place:
        return True
    invitation = invitations.get(binding.place)
    return invitation is not None and invitation.admits(binding.account)


def read_pod(data: Any) -> Orchestrator:
    """Read a pod with our label. The label proves nothing: users can set it without our sidecar."""
    metadata, spec = data["metadata"], data["spec"]
    ended = (data.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    asked = (metadata.get("annotations") or {}).get(NAMESPACES) or ""
    return Orchestrator(
        Account(str(metadata.get("namespace")), str(spec.get("serviceAccountName") or "default")),
        frozenset(read_namespaces(asked) or ()),
        is_injected(data) and not ended,
    )


def read_invitation(data: Any, injectable: Selector) -> Invitation:
    """Read a Namespace. Its pods may be injected if its labels match `injectable`."""
    metadata = data["metadata"]
    readers = readers_of(metadata.get("annotations") or {})
    labels = metadata.get("labels") or {}
    injects = labels.get(INJECTION_LABEL) != DISABLED and injectable.matches(labels)
    return Invitation(str(metadata["name"]), readers, injects)


def read_binding(data: Any) -> Existing:
    """Read a RoleBinding or ClusterRoleBinding with our label."""
    metadata = data["metadata"]
    key = NamespacedName(str(metadata.get("namespace") or ""), str(metadata["name"]))
    subjects = data.get("subjects") or []
    binding = None
    if len(subjects) == 1 and subjects[0].get("kind") == "ServiceAccount":
        account = Account(str(subjects[0].get("namespace")), str(subjects[0].get("name")))
        read = Binding(str((data.get("roleRef") or {}).get("name")), key.namespace, account)
        # If the name still follows from the content, the binding was not changed.
        if data == {**data, **_content(read)} and read.key == key and read.role in ROLES:
            binding = read
    return Existing(key, str(metadata.get("uid") or ""), binding)


def manifest_of(binding: Binding, owner: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object to create. `owner` is the ClusterRole: the binding is deleted with it."""
    metadata: dict[str, Any] = {"name": binding.name, "labels": dict([MANAGED_BY])}
    if binding.place:
        metadata["namespace"] = binding.place
    if owner is not None:
        metadata["ownerReferences"] = [dict(owner)]
    kind = "RoleBinding" if binding.place else "ClusterRoleBinding"
    base = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}
    return {**base, **_content(binding)}


def _content(binding: Binding) -> dict[str, Any]:
    account = binding.account
    return {
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": binding.role},
        "subjects": [
            {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
        ],
    }
