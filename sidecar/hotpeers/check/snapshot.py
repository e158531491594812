"""What a check knows of the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Part(StrEnum):
    """A part of the cluster that can be read; the value is what messages call it."""

    CLOCK = "the clock of the API server"
    KAGENT = "the versions of kagent's resources"
    RELEASES = "Deployments"
    WEBHOOKS = "webhook configurations"
    DEFINITIONS = "CustomResourceDefinitions"
    NODES = "Nodes"
    NAMESPACES = "Namespaces"
    WORKLOADS = "Deployments, StatefulSets and DaemonSets"
    PODS = "Pods"
    AGENTS = "Agents"
    POLICIES = "SpawnPolicies"
    ORCHESTRATORS = "Orchestrators"
    QUOTAS = "ResourceQuotas"
    EVENTS = "Events"
    OWN_PODS = "Pods of the controller, the hub and the console"
    SLICES = "EndpointSlices of the controller"
    NETWORK_POLICIES = "NetworkPolicies of the controller"
    CERTIFICATES = "the Secret of the certificates"
    HUB_KEY = "the Secret of the hub's key"
    TOKENS = "Secrets of tokens"
    CREDENTIALS = "Secrets of credentials"
    RIGHTS = "rights of other accounts (SubjectAccessReviews)"
    OWN_RIGHTS = "your own rights (SelfSubjectAccessReviews)"


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a part is unknown. `forbidden`: the user lacks the right."""

    message: str
    forbidden: bool


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One action on a kind of object. `name` is "" for all names, `namespace` "" for all namespaces.

    `account` is the user name of a ServiceAccount, "" for the user of the check.
    """

    account: str
    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        name = f" {self.name}" if self.name else ""
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{group}{name}{place}"


@dataclass(frozen=True, slots=True)
class Trial:
    """The dry run of an injection: the pod that the API server returned, or its refusal."""

    namespace: str
    pod: Json | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The objects of each part that was read, and why others were not, or not completely.

    `skew` is the time of the API server minus ours, in seconds. `kagent` has the served groups and
    versions of kagent. `absent` has the Secrets (as `namespace/name`) that were looked for and do not
    exist. `namespace` limits the check; "" is all.
    """

    version: tuple[int, int] = (1, 36)
    skew: float = 0.0
    kagent: tuple[str, ...] = ()
    objects: Mapping[Part, tuple[Json, ...]] = field(default_factory=dict)
    unread: Mapping[Part, Unread] = field(default_factory=dict)
    rights: Mapping[Right, bool] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    trial: Trial | None = None
    namespace: str = ""

    def of(self, part: Part) -> tuple[Json, ...]:
        """The objects of a part; none if it was not read."""
        return self.objects.get(part, ())

    def knows(self, *parts: Part) -> bool:
        """Whether all these parts were read completely, so that a missing object does not exist."""
        return all(part in self.objects and part not in self.unread for part in parts)


def named(objects: Iterable[Json]) -> dict[str, Json]:
    """Objects by name."""
    return {one["metadata"]["name"]: one for one in objects}


def place_of(one: Json) -> str:
    """`Kind namespace/name` of an object; an item of a list has no kind, so reader sets it."""
    metadata = one["metadata"]
    space = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{one.get('kind', 'object')} {space}{metadata['name']}"
