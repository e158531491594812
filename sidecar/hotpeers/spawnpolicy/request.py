"""The input of the guard: a request, and the facts that the controller knows at that time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .schema.policy import RESERVED_NAMESPACES

AGENT_GROUP, AGENT_VERSION, AGENT_RESOURCE, AGENT_KIND = "kagent.dev", "v1alpha2", "agents", "Agent"
AGENT_API = f"{AGENT_GROUP}/{AGENT_VERSION}"


class Phase(StrEnum):
    """The webhook that handles the request: mutating, or validating, which sees the mutated object."""

    MUTATING = "Mutating"
    VALIDATING = "Validating"


@dataclass(frozen=True, slots=True)
class Subject:
    """The sender of a request, identified by its ServiceAccount and never by the request's object.

    `agent` is the Agent that runs as this account, or "" if the account is a subject itself. `policy`
    and `depth` come from the stamps of a spawned agent; they are "" and 0 otherwise.
    """

    namespace: str
    service_account: str
    service_account_uid: str = ""
    agent: str = ""
    agent_uid: str = ""
    policy: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One request of an admission review. `object` and `old_object` are unchanged.

    `propagation` is the propagation policy of a deletion, or "" if the request does not set one.
    """

    subject: Subject
    operation: str
    group: str
    version: str
    resource: str
    namespace: str
    name: str
    subresource: str = ""
    object: Any = None
    old_object: Any = None
    propagation: str = ""
    dry_run: bool = False
    phase: Phase = Phase.MUTATING


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a policy: living agents, and creation times of its agents (without dry runs)."""

    alive: int = 0
    created: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that the controller knows. None of them comes from the request.

    `usage` is by policy (`namespace/name`). `occupied` lists the kinds of existing objects with the
    request's name and namespace that kagent would overwrite. `templates` has the `spec` of each
    readable template, by its key (`registry:name@tag`, `agent:name`).
    """

    now: datetime
    usage: Mapping[str, Usage] = field(default_factory=dict)
    occupied: tuple[str, ...] = ()
    templates: Mapping[str, Any] = field(default_factory=dict)
    reserved_namespaces: frozenset[str] = RESERVED_NAMESPACES
    ending: str = "xxxxx"
    """The suffix of the name if the agent has only a `generateName`. It differs for each request."""
