"""What the orchestrators report of a Peer, and the status of the Peer that follows from it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import part, text
from ...model.orchestrator import read_orchestrator
from ...model.orchestrator_status import age_of, format_time, read_status

_PREFIX = "Peer/"
SETTLE_SECONDS = 30.0
"""The shortest time from the first report of a Peer's last failure to that of the next one."""


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

    `failing` has the newest failure for each reason. `complete` is whether it names all of its peers.
    """

    ready: Mapping[NamespacedName, bool]
    failing: Mapping[NamespacedName, tuple[Failure, ...]]
    complete: bool


@dataclass(slots=True)
class Tally:
    """What all orchestrators together report of one Peer."""

    offered_to: int = 0
    ready: bool = True
    failures: list[Failure] = field(default_factory=list)


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
    failing: dict[NamespacedName, dict[str, Failure]] = defaultdict(dict)
    for replica in status.replicas:
        moment = format_time(replica.time) if replica.time is not None else ""
        for failed in replica.failing:
            namespace, _, name = failed.peer.partition("/")
            key = NamespacedName(namespace, name)
            newest = failing[key].get(failed.reason) if key in ready else None
            if key in ready and (newest is None or newest.time < moment):
                failure = Failure(title, failed.reason, failed.message, moment)
                failing[key][failed.reason] = failure
    failures = {key: tuple(by_reason.values()) for key, by_reason in failing.items()}
    return Offers(ready, failures, (status.peers or 0) <= len(status.offered))


def tallies(offers: Iterable[Offers]) -> tuple[dict[NamespacedName, Tally], bool]:
    """The tally of each Peer that is named, and whether all orchestrators name all their peers."""
    found: dict[NamespacedName, Tally] = defaultdict(Tally)
    complete = True
    for one in offers:
        complete = complete and one.complete
        for key, ready in one.ready.items():
            tally = found[key]
            tally.offered_to += 1
            tally.ready = tally.ready and ready
        for key, failures in one.failing.items():
            found[key].failures += failures
    return dict(found), complete


def status_change(
    before: Mapping[str, Any], tally: Tally | None, *, complete: bool, now: datetime
) -> dict[str, Any]:
    """What to change in the status of a Peer; empty if it is up to date.

    The last failure stays when calls succeed again.
    """
    tally = tally or Tally()
    count = tally.offered_to
    wanted: dict[str, Any] = {
        "offeredTo": str(count) if complete else f"{count}+",
        "ready": tally.ready if count else None,
    }
    newest = max(tally.failures, key=lambda one: one.time, default=None)
    if newest is not None and not _stays(part(before, "lastFailure"), tally.failures, now):
        wanted["lastFailure"] = asdict(newest)
    return {key: value for key, value in wanted.items() if before.get(key) != value}


def _stays(shown: Mapping[str, Any], failures: Iterable[Failure], now: datetime) -> bool:
    """Whether the last failure that a Peer shows is not replaced by a newer one.

    It stays as long as it is still reported: else orchestrators that fail and report in turn would
    replace each other's failure for ever. And it stays for `SETTLE_SECONDS` after it was reported first,
    which bounds the writes for a Peer that sometimes fails.
    """
    known = {(one.orchestrator, one.reason) for one in failures}
    still = (text(shown, "orchestrator"), text(shown, "reason")) in known
    return still or 0 <= age_of(text(shown, "time"), now) < SETTLE_SECONDS
