"""The objects that pages show, as small records. Every text in them is cleaned and cut; nothing raises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from hotpeers_shim.contract import clean_text

from ..base.names import NamespacedName
from ..base.parts import Json, items, number, part, text
from ..spawnpolicy.stamps import ACCOUNT, DEPTH, EXPIRES, POLICY, SPAWNED_BY, TEMPLATE

_NAME, _WORD, _MESSAGE = 320, 64, 1024
_MOST_SUBJECTS = 32


class Record(Protocol):
    """What all records have."""

    @property
    def key(self) -> NamespacedName:
        """Its namespace and name."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a peer, as an orchestrator reported it."""

    orchestrator: str
    reason: str
    message: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A Peer. `ready` is None if no orchestrator has reported."""

    key: NamespacedName
    created: datetime | None
    url: str
    description: str
    offered_to: str
    ready: bool | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """An agent that an orchestrator spawned. `parent` and `policy` are `namespace/name` or ""."""

    key: NamespacedName
    kind: str
    created: datetime | None
    parent: str
    account: str
    policy: str
    template: str
    depth: int
    expires: datetime | None
    ready: bool | None


@dataclass(frozen=True, slots=True)
class Denial:
    """The last denied request of a policy."""

    time: datetime | None
    subject: str
    operation: str
    target: str
    reason: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """The condition Ready of a policy; `ready` is None without one."""

    ready: bool | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A SpawnPolicy with its limits and its use. A limit that is not set is 0 or ""."""

    key: NamespacedName
    mode: str
    subjects: tuple[str, ...]
    most_agents: int
    most_creates: int
    window: str
    most_depth: int
    ttl: str
    alive: int
    creates: int
    denials: int
    denial: Denial | None
    readiness: Readiness


def read_peer_record(data: Any) -> PeerRecord:
    """The record of a Peer."""
    spec, status = part(data, "spec"), part(data, "status")
    ready = status.get("ready")
    return PeerRecord(
        key=_key(data),
        created=_created(data),
        url=clean_text(text(spec, "url"), 400),
        description=clean_text(text(spec, "description"), 200),
        offered_to=_text(status, "offeredTo", 20),
        ready=ready if isinstance(ready, bool) else None,
        failure=_failure(part(status, "lastFailure")),
    )


def read_spawned_record(data: Any) -> AgentRecord:
    """The record of a spawned Agent of either generation of kagent."""
    stamps = part(data, "metadata", "annotations")
    depth = text(stamps, DEPTH)
    return AgentRecord(
        key=_key(data),
        kind="kagent 1.x" if text(data, "apiVersion").startswith("api.") else "kagent 0.x",
        created=_created(data),
        parent=_text(stamps, SPAWNED_BY),
        account=_text(stamps, ACCOUNT),
        policy=_text(stamps, POLICY),
        template=_text(stamps, TEMPLATE),
        depth=int(depth) if depth.isascii() and depth.isdigit() and len(depth) < 3 else 0,
        expires=_time(text(stamps, EXPIRES)),
        ready=_readiness(data).ready,
    )


def read_policy_record(data: Any) -> PolicyRecord:
    """The record of a SpawnPolicy, which may be invalid."""
    spec, status = part(data, "spec"), part(data, "status")
    limits = part(spec, "limits")
    return PolicyRecord(
        key=_key(data),
        mode=_text(spec, "mode", _WORD) or "Enforce",
        subjects=tuple(
            f"{_text(one, 'kind')}/{_text(one, 'name')}"
            for one in items(spec, "subjects")[:_MOST_SUBJECTS]
        ),
        most_agents=_number(limits, "maxAgents"),
        most_creates=_number(part(limits, "creates"), "count"),
        window=_text(part(limits, "creates"), "window", 24),
        most_depth=_number(limits, "maxDepth") or (1 if limits else 0),
        ttl=_text(part(limits, "ttl"), "max", 24),
        alive=_number(status, "agentsAlive"),
        creates=_number(status, "createsInWindow"),
        denials=_number(status, "denials"),
        denial=_denial(part(status, "lastDenial")),
        readiness=_readiness(data),
    )


def _denial(data: Json) -> Denial | None:
    if not data:
        return None
    return Denial(
        time=_time(text(data, "time")),
        subject=_text(data, "subject"),
        operation=_text(data, "operation", _WORD),
        target=f"{_text(data, 'namespace')}/{_text(data, 'name')}",
        reason=_text(data, "reason", _WORD),
        field=_text(data, "field"),
        message=_text(data, "message", _MESSAGE),
    )


def _failure(data: Json) -> Failure | None:
    if not data:
        return None
    return Failure(
        _text(data, "orchestrator"),
        _text(data, "reason", _WORD),
        _text(data, "message", _MESSAGE),
        _time(text(data, "time")),
    )


def _readiness(data: Any) -> Readiness:
    """The condition Ready."""
    for one in items(data, "status", "conditions")[:64]:
        if text(one, "type") == "Ready":
            state = {"True": True, "False": False}.get(text(one, "status"))
            return Readiness(state, _text(one, "reason", _WORD), _text(one, "message", _MESSAGE))
    return Readiness()


def _key(data: Any) -> NamespacedName:
    # The API server allows no other characters in names; clean them all the same.
    return NamespacedName(
        _text(part(data, "metadata"), "namespace"), _text(part(data, "metadata"), "name")
    )


def _created(data: Any) -> datetime | None:
    return _time(text(data, "metadata", "creationTimestamp"))


def _time(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written[:40])
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _text(data: object, key: str, limit: int = _NAME) -> str:
    return clean_text(text(data, key), limit)


def _number(data: object, key: str) -> int:
    return min(max(number(data, key), 0), 2**53)
