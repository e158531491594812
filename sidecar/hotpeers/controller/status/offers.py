"""What the orchestrators report of a Peer, and the status of the Peer that follows from it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import part, text
from ...model.orchestrator import read_orchestrator
from ...model.orchestrator_status import format_time, read_status

_PREFIX = "Peer/"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failing call of a peer. `time` is that of the report."""

    orchestrator: str
    reason: str
    message: str
    time: str


@dataclass(frozen=True, slots=True)
class Offers:
    """What one orchestrator reports of Peers: whether each that it names is ready, and failing calls.

    `complete` is whether it names all of its peers.
    """

    ready: Mapping[NamespacedName, bool]
    failing: Mapping[NamespacedName, Failure]
    complete: bool


@dataclass(slots=True)
class Standing:
    """What all orchestrators together report of one Peer."""

    offered_to: int = 0
    ready: bool = True
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class PeerObject:
    """A Peer with its present status."""

    key: NamespacedName
    status: Mapping[str, Any] = field(default_factory=dict)


def read_peer_object(data: Any) -> PeerObject:
    """Read the name and the status of a Peer. Its spec does not matter here."""
    metadata = part(data, "metadata")
    key = NamespacedName(text(metadata, "namespace"), text(metadata, "name"))
    status = part(data, "status")
    return PeerObject(
        key, {name: status.get(name) for name in ("offeredTo", "ready", "lastFailure")}
    )


def read_offers(data: Any) -> Offers:
    """Read what an Orchestrator's status says of Peers. Raises `MalformedError`."""
    title = str(read_orchestrator(data).key)
    status = read_status(data)
    ready = {}
    for one in status.offered:
        if one.source.startswith(_PREFIX):
            namespace, _, name = one.source.removeprefix(_PREFIX).partition("/")
            ready[NamespacedName(namespace, name)] = one.ready
    failing: dict[NamespacedName, Failure] = {}
    for replica in status.replicas:
        for failed in replica.failing:
            namespace, _, name = failed.peer.partition("/")
            key = NamespacedName(namespace, name)
            moment = format_time(replica.time) if replica.time is not None else ""
            if key in ready and (key not in failing or failing[key].time < moment):
                failing[key] = Failure(title, failed.reason, failed.message, moment)
    return Offers(ready, failing, (status.peers or 0) <= len(status.offered))


def standings(offers: Iterable[Offers]) -> tuple[dict[NamespacedName, Standing], bool]:
    """The standing of each Peer that is named, and whether all orchestrators name all their peers."""
    found: dict[NamespacedName, Standing] = defaultdict(Standing)
    complete = True
    for one in offers:
        complete = complete and one.complete
        for key, ready in one.ready.items():
            standing = found[key]
            standing.offered_to += 1
            standing.ready = standing.ready and ready
        for key, failure in one.failing.items():
            standing = found[key]
            if standing.failure is None or standing.failure.time < failure.time:
                standing.failure = failure
    return dict(found), complete


def status_change(
    before: Mapping[str, Any], standing: Standing | None, *, complete: bool
) -> dict[str, Any]:
    """What to change in the status of a Peer; empty if it is up to date.

    The last failure stays when calls succeed again. A new time alone is not written.
    """
    standing = standing or Standing()
    count = standing.offered_to
    wanted: dict[str, Any] = {
        "offeredTo": str(count) if complete else f"{count}+",
        "ready": standing.ready if count else None,
    }
    failure = standing.failure
    if failure is not None:
        last = part(before, "lastFailure")
        if (text(last, "orchestrator"), text(last, "reason")) != (
            failure.orchestrator,
            failure.reason,
        ):
            wanted["lastFailure"] = {
                "orchestrator": failure.orchestrator,
                "reason": failure.reason,
                "message": failure.message,
                "time": failure.time,
            }
    return {key: value for key, value in wanted.items() if before.get(key) != value}
