"""The status of an Orchestrator, and how it is read.

Sidecars, the hub and the controller write parts of it. It is for people: no decision reads it. A user with
the right to write a status can put anything into it, so every text is cleaned when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from hotpeers_shim.contract import clean_text

from ..base.parts import Json, items, number, part, text

MAX_OFFERED, MAX_REFUSED, MAX_PROBLEMS, MAX_CHANGES, MAX_REPLICAS = 100, 20, 20, 50, 64
"""The longest lists in a status. `k8s/crds/orchestrators.hotpeers.dev.yaml` has the same limits."""
MAX_NAMES, MAX_FAILING = 5, 20
"""The most names in one list of a change, and the most failing peers of one replica."""
STALE_SECONDS = 3600.0
"""A replica that has not reported for this time has ended."""
REFRESH_SECONDS = STALE_SECONDS / 4
"""A replica reports at least this often."""
LIVE = "Live"
_MAX_NAME, _MAX_WORD, _MAX_MESSAGE = 400, 64, 400
_MOST = 2**53
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Live(StrEnum):
    """Whether agent processes use the newest list of peers."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"

    @classmethod
    def read(cls, value: str) -> Live:
        """The state that a text names; UNKNOWN for any other text."""
        return cls(value) if value in list(cls) else cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class Offered:
    """An offered peer. `source` is `Kind/namespace/name`."""

    peer: str
    source: str
    ready: bool


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """Something that is wrong: with a candidate (refused), or at a place (a problem)."""

    subject: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Failing:
    """A peer whose last `count` calls failed."""

    peer: str
    reason: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the peers in one pod. `more` is the number of peers that are not named.

    `live_seconds` is the time until every agent process of the pod had it; None if that is not known.
    """

    time: datetime | None
    replica: str
    generation: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    more: int = 0
    live_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """The last report of one pod, or of one replica of the hub."""

    name: str
    time: datetime | None
    live: Live
    reason: str = ""
    message: str = ""
    generation: int = 0
    live_generation: int | None = None
    processes: int = 0
    runtime: str = ""
    calls: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    failing: tuple[Failing, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. `status` is one of `Live`."""

    type: str
    status: Live
    reason: str
    message: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class OrchestratorStatus:
    """The status of an Orchestrator.

    The numbers `peers`, `ready` and `refused_peers` are complete; the lists are bounded. `peers` is None
    if nothing has reported yet.
    """

    peers: int | None = None
    ready: int = 0
    refused_peers: int = 0
    runtime: str = ""
    held: str = ""
    token_secret: str = ""
    offered: tuple[Offered, ...] = ()
    refused: tuple[ReportedProblem, ...] = ()
    problems: tuple[ReportedProblem, ...] = ()
    changes: tuple[Change, ...] = ()
    replicas: tuple[Replica, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """The condition of this type, if there is one."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def live(self) -> Live:
        """Whether every agent process uses the newest list."""
        found = self.condition(LIVE)
        return found.status if found is not None else Live.UNKNOWN


def read_status(data: object) -> OrchestratorStatus:
    """The status of an Orchestrator object. Never raises: what has another shape is left out."""
    status = part(data, "status")
    peers = status.get("peers")
    return OrchestratorStatus(
        peers=_number(status, "peers") if isinstance(peers, int) else None,
        ready=_number(status, "readyPeers"),
        refused_peers=_number(status, "refusedPeers"),
        runtime=_text(status, "runtime"),
        held=_text(status, "held"),
        token_secret=_text(status, "tokenSecret"),
        offered=tuple(_offered(items(status, "offered")[:MAX_OFFERED])),
        refused=tuple(_problems(items(status, "refused")[:MAX_REFUSED], "peer")),
        problems=tuple(_problems(items(status, "problems")[:MAX_PROBLEMS], "where")),
        changes=tuple(_change(one) for one in _objects(items(status, "changes")[-MAX_CHANGES:])),
        replicas=tuple(
            _replica(name, one)
            for name, one in list(part(status, "replicas").items())[:MAX_REPLICAS]
            if isinstance(one, dict)
        ),
        conditions=tuple(
            _condition(one) for one in _objects(items(status, "conditions")[:MAX_REPLICAS])
        ),
    )


def format_time(moment: datetime) -> str:
    """A time as the status has it: RFC 3339 in UTC, without fractions of a second."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def read_time(moment: str) -> datetime | None:
    """The opposite of `format_time`; None if the text has another form."""
    try:
        return datetime.strptime(moment, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def age_of(moment: str, now: datetime) -> float:
    """The seconds since a time of a status; infinite if the text is not one.

    Clocks differ, so the age may be negative. A time that is more than `STALE_SECONDS` ahead was written
    by a clock that was wrong, so its age is infinite: else it would count as new for ever.
    """
    return _age(read_time(moment), now)


def is_stale(replica: Replica, now: datetime) -> bool:
    """Whether a replica has not reported for `STALE_SECONDS`."""
    return _age(replica.time, now) > STALE_SECONDS


def _age(then: datetime | None, now: datetime) -> float:
    age = float("inf") if then is None else (now - then).total_seconds()
    return age if age >= -STALE_SECONDS else float("inf")


def _offered(entries: Iterable[object]) -> Iterator[Offered]:
    for entry in entries:
        # Before hotpeers had the field `source`, an entry was only the name.
        if isinstance(entry, str):
            yield Offered(clean_text(entry, _MAX_NAME), "", ready=True)
        elif isinstance(entry, dict):
            yield Offered(_text(entry, "peer"), _text(entry, "source"), entry.get("ready") is True)


def _problems(entries: Iterable[object], subject: str) -> Iterator[ReportedProblem]:
    for entry in _objects(entries):
        yield ReportedProblem(
            _text(entry, subject), _word(entry, "reason"), _text(entry, "message")
        )


def _change(entry: Json) -> Change:
    return Change(
        time=read_time(text(entry, "time")),
        replica=_text(entry, "replica"),
        generation=_number(entry, "generation"),
        added=_names(entry, "added"),
        removed=_names(entry, "removed"),
        changed=_names(entry, "changed"),
        more=_number(entry, "more"),
        live_seconds=_seconds(entry.get("liveSeconds")),
    )


def _seconds(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= _MOST else None


def _replica(name: str, entry: Json) -> Replica:
    live = entry.get("liveGeneration")
    failures = part(entry, "failures")
    return Replica(
        name=clean_text(name, _MAX_NAME),
        time=read_time(text(entry, "time")),
        live=Live.read(text(entry, "live")),
        reason=_word(entry, "reason"),
        message=_text(entry, "message"),
        generation=_number(entry, "generation"),
        live_generation=_number(entry, "liveGeneration") if isinstance(live, int) else None,
        processes=_number(entry, "processes"),
        runtime=_text(entry, "runtime"),
        calls=_number(entry, "calls"),
        failures={
            clean_text(key, _MAX_WORD): _number(failures, key) for key in list(failures)[:64]
        },
        failing=tuple(
            Failing(
                _text(one, "peer"),
                _word(one, "reason"),
                _text(one, "message"),
                _number(one, "count"),
            )
            for one in _objects(items(entry, "failing")[:MAX_FAILING])
        ),
    )


def _condition(entry: Json) -> Condition:
    return Condition(
        type=_word(entry, "type"),
        status=Live.read(text(entry, "status")),
        reason=_word(entry, "reason"),
        message=clean_text(text(entry, "message"), 1024),
        since=read_time(text(entry, "lastTransitionTime")),
    )


def _objects(entries: Iterable[object]) -> Iterator[Json]:
    return (entry for entry in entries if isinstance(entry, dict))


def _names(entry: Json, key: str) -> tuple[str, ...]:
    found = items(entry, key)[:MAX_NAMES]
    return tuple(clean_text(one, _MAX_NAME) for one in found if isinstance(one, str))


def _text(entry: object, key: str) -> str:
    return clean_text(text(entry, key), _MAX_MESSAGE)


def _word(entry: object, key: str) -> str:
    return clean_text(text(entry, key), _MAX_WORD)


def _number(entry: object, key: str) -> int:
    return min(max(number(entry, key), 0), _MOST)
