"""The objects of an Orchestrator, and what its status says of them. Pure functions.

The tool server is kagent's RemoteMCPServer: `kagent.dev/v1alpha2` (kagent 0.10, go/api/v1alpha2) and
`api.kagent.dev/v1alpha3` (kagent 1.x). Both have the fields that are used here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import items, text
from ...model.hub_token import make_token
from ...model.orchestrator import API_VERSION, Orchestrator
from ...model.orchestrator_conditions import conditions_with
from ...model.orchestrator_status import Live

SECRET_TYPE = "hotpeers.dev/orchestrator-token"  # noqa: S105 - the type of a Secret
"""The type of each token's Secret. A type cannot be changed, so no other Secret is overwritten."""
TOKEN_KEY = "token"  # noqa: S105 - the name of an entry
TOKEN_HEADER = "X-Hotpeers-Token"  # noqa: S105 - the name of a header
TOOL_SERVER_VERSIONS = ("kagent.dev/v1alpha2", "api.kagent.dev/v1alpha3")
LABELS = {"app.kubernetes.io/managed-by": "hotpeers"}
READY, TOOL_SERVER = "Ready", "ToolServer"


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where orchestrators reach the hub, and how long their clients may wait for an answer."""

    url: str
    timeout: str = "60s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an object: the status and reason of its condition, and a message."""

    ok: bool
    reason: str
    message: str


def owner_of(one: Orchestrator) -> dict[str, Any]:
    """The ownerReference: Kubernetes deletes the objects with their Orchestrator."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Orchestrator",
        "name": one.key.name,
        "uid": one.uid,
    }


def token_secret(one: Orchestrator, key: bytes, address: HubAddress) -> dict[str, Any]:
    """The Secret with the token, the whole header value, and the URL of the hub."""
    token = make_token(key, one.uid, one.token_version)
    entries = {TOKEN_KEY: token, "authorization": f"Bearer {token}", "url": address.url}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "metadata": {
            "namespace": one.key.namespace,
            "name": one.token_secret,
            "labels": LABELS,
            "ownerReferences": [owner_of(one)],
        },
        "data": {
            name: base64.b64encode(value.encode()).decode() for name, value in entries.items()
        },
    }


def tool_server(one: Orchestrator, version: str, address: HubAddress) -> dict[str, Any]:
    """The RemoteMCPServer through which kagent's agents reach the hub as this orchestrator."""
    reference = {"type": "Secret", "name": one.token_secret, "key": TOKEN_KEY}
    return {
        "apiVersion": version,
        "kind": "RemoteMCPServer",
        "metadata": {
            "namespace": one.key.namespace,
            "name": one.tool_server,
            "labels": LABELS,
            "ownerReferences": [owner_of(one)],
        },
        "spec": {
            "description": f"The peers of {one.key.name}: asks other agents, and finds them",
            "protocol": "STREAMABLE_HTTP",
            "url": address.url,
            "timeout": address.timeout,
            "sseReadTimeout": address.timeout,
            "headersFrom": [{"name": TOKEN_HEADER, "valueFrom": reference}],
        },
    }


def is_ours(found: object, one: Orchestrator) -> bool:
    """Whether an object was made for this Orchestrator."""
    owners = items(found, "metadata", "ownerReferences")
    return any(text(owner, "uid") == one.uid for owner in owners)


def shared_secrets(every: Sequence[Orchestrator]) -> dict[NamespacedName, str]:
    """The Orchestrators whose Secret belongs to another one, with the name of that one."""
    first: dict[NamespacedName, str] = {}
    taken: dict[NamespacedName, str] = {}
    for one in sorted(every, key=lambda one: one.key):
        secret = NamespacedName(one.key.namespace, one.token_secret)
        owner = first.setdefault(secret, one.key.name)
        if owner != one.key.name:
            taken[one.key] = owner
    return taken


def status_change(
    one: Orchestrator, found: Mapping[str, Any], outcomes: Mapping[str, Outcome], now: datetime
) -> dict[str, Any]:
    """What to change in the status `found`; empty if it is up to date."""
    conditions: object = found.get("conditions")
    for kind, outcome in outcomes.items():
        state = Live.TRUE if outcome.ok else Live.FALSE
        told = (state, outcome.reason, outcome.message)
        conditions = conditions_with(conditions, kind, told, one.generation, now)
    wanted = {"tokenSecret": one.token_secret, "conditions": conditions}
    return {key: value for key, value in wanted.items() if found.get(key) != value}
