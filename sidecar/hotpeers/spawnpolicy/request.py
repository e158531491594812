"""What is asked of the guard, and what the controller knows when it is asked."""

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
    """Which of both webhooks asks: the mutating one, or the validating one that sees its result."""

    MUTATING = "Mutating"
    VALIDATING = "Validating"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks, told by the ServiceAccount of the request and by nothing that the request holds.

    `agent` is the Agent that runs as this account, "" for an account that is a subject itself.
    `policy` and `depth` are those of the agent's own stamps where it was spawned, "" and 0 where not.
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
    """One request of an admission review. `object` and `old_object` are as the API server sent them.

    `propagation` is what a deletion asks for of what belongs to the object, "" where it does not say.
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
    """What a policy has in use: agents alive, and when agents were created under it (no dry runs)."""

    alive: int = 0
    created: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known to the controller; nothing in it comes from the request.

    `usage` is by policy (`namespace/name`). `occupied` names the kinds of objects that have the
    request's name in its namespace, and which kagent would overwrite. `templates` holds the `spec` of
    each template that could be read, by its key (`registry:name@tag`, `agent:name`).
    """

    now: datetime
    usage: Mapping[str, Usage] = field(default_factory=dict)
    occupied: tuple[str, ...] = ()
    templates: Mapping[str, Any] = field(default_factory=dict)
    reserved_namespaces: frozenset[str] = RESERVED_NAMESPACES
    ending: str = "xxxxx"
    """The end of the name of an agent that has a `generateName` only; another one for each request."""
