"""One orchestrator in the overview: its state and its problems.

Only this module decides what is a problem, so the command line and the console show the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

from hotpeers_shim.contract import clean_text

from ..base.names import NamespacedName
from ..base.parts import items, part, text
from ..model.orchestrator_status import (
    LIVE,
    Live,
    OrchestratorStatus,
    is_stale,
    read_status,
    read_time,
)
from .reasons import OverviewReason

_BY_DESIGN = frozenset({"IsOrchestrator", "NotSelected"})
"""Reasons of refusals that follow from the configuration, and are no problems."""
_MAX_NAME = 253


class State(StrEnum):
    """The state of an orchestrator. Its order is the order of the tables: problems first."""

    PROBLEM = "problem"
    UNKNOWN = "unknown"
    OK = "ok"


_ORDER = list(State)


class Severity(IntEnum):
    """How bad a problem is.

    ERROR: calls or changes do not arrive. WARNING: less is offered than could be. UNKNOWN: nothing
    says whether all is well.
    """

    ERROR = 0
    WARNING = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class RatedProblem:
    """A problem of an orchestrator, with its severity.

    `subject` is a peer, a place or the type of a condition; "" for the orchestrator itself.
    """

    severity: Severity
    subject: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """What is read of an Orchestrator. `workload` is like `Deployment/concierge`; "" for the hub.

    `created` is None if it is unknown. `old` means that an older release wrote the status.
    """

    key: NamespacedName
    status: OrchestratorStatus
    workload: str = ""
    created: datetime | None = None
    old: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """An orchestrator with its state and its problems."""

    orchestrator: Orchestrator
    state: State
    problems: tuple[RatedProblem, ...] = ()

    @property
    def key(self) -> NamespacedName:
        """Its namespace and name."""
        return self.orchestrator.key

    @property
    def status(self) -> OrchestratorStatus:
        """Its status."""
        return self.orchestrator.status

    @property
    def reported(self) -> datetime | None:
        """The time of its newest report."""
        return newest_report(self.status)

    @property
    def calls(self) -> int:
        """The calls of peers that its pods count."""
        return sum(one.calls for one in self.status.replicas)

    @property
    def failed_calls(self) -> int:
        """The calls of peers that failed."""
        return sum(sum(one.failures.values()) for one in self.status.replicas)


def read_orchestrator(data: object) -> Orchestrator:
    """What the overview needs of an object. Never raises: what has another shape is left out."""
    metadata, workload = part(data, "metadata"), part(data, "spec", "workload")
    offered = items(data, "status", "offered")
    key = NamespacedName(_name(metadata, "namespace"), _name(metadata, "name"))
    kind, name = _name(workload, "kind"), _name(workload, "name")
    return Orchestrator(
        key=key,
        status=read_status(data),
        workload=f"{kind}/{name}" if workload else "",
        created=read_time(text(metadata, "creationTimestamp")),
        old=any(isinstance(one, str) for one in offered),
    )


def summarize(orchestrator: Orchestrator, now: datetime) -> Summary:
    """The state of an orchestrator, and what is wrong with it."""
    problems = tuple(problems_of(orchestrator, now))
    state = State.UNKNOWN if problems else State.OK
    if any(one.severity is not Severity.UNKNOWN for one in problems):
        state = State.PROBLEM
    return Summary(orchestrator, state, problems)


def problems_of(orchestrator: Orchestrator, now: datetime) -> Iterator[RatedProblem]:
    """The problems of an orchestrator, the worst first.

    One of severity UNKNOWN says why its state is unknown: no pod or no agent process has reported.
    """
    yield from _wrong(orchestrator.status)
    yield from _unknown(orchestrator, now)


def ordered(summaries: Iterable[Summary]) -> list[Summary]:
    """Problems first, then by namespace and name."""
    return sorted(summaries, key=lambda one: (_ORDER.index(one.state), one.key))


def all_well(summaries: Iterable[Summary]) -> bool:
    """Whether no orchestrator has a problem or an unknown state."""
    return all(one.state is State.OK for one in summaries)


def newest_report(status: OrchestratorStatus) -> datetime | None:
    """The time of the newest report of a pod; None without one."""
    return max((one.time for one in status.replicas if one.time is not None), default=None)


def _unknown(orchestrator: Orchestrator, now: datetime) -> Iterator[RatedProblem]:
    status = orchestrator.status
    live = status.condition(LIVE)
    if orchestrator.old:
        said = "its status lists names without sources, as older releases wrote it"
        yield _unclear(OverviewReason.STATUS_OLD.value, said)
    elif status.peers is None:
        yield _unclear(OverviewReason.NO_REPORT.value, "no pod has reported yet")
    elif (newest := newest_report(status)) is not None and all(
        is_stale(one, now) for one in status.replicas
    ):
        said = f"the last report is from {newest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        yield _unclear(OverviewReason.NO_REPORT.value, said)
    elif live is None:
        # The hub has no agent process that could report.
        if orchestrator.workload:
            yield _unclear(OverviewReason.NO_REPORT.value, "no pod says whether its peers are live")
    elif live.status is Live.UNKNOWN:
        yield _unclear(live.reason or OverviewReason.NO_REPORT.value, live.message)


def _wrong(status: OrchestratorStatus) -> Iterator[RatedProblem]:
    for one in status.conditions:
        if one.status is Live.FALSE:
            subject = "" if one.type == LIVE else one.type
            yield RatedProblem(Severity.ERROR, subject, one.reason, one.message)
    for problem in status.problems:
        yield RatedProblem(Severity.ERROR, problem.subject, problem.reason, problem.message)
    yield from _failing(status)
    for refused in status.refused:
        if refused.reason not in _BY_DESIGN:
            yield RatedProblem(Severity.WARNING, refused.subject, refused.reason, refused.message)


def _unclear(reason: str, message: str) -> RatedProblem:
    return RatedProblem(Severity.UNKNOWN, "", reason, message)


def _failing(status: OrchestratorStatus) -> Iterator[RatedProblem]:
    """One problem for each peer and reason, with the calls that failed in all pods."""
    counts: dict[tuple[str, str], int] = {}
    messages: dict[tuple[str, str], str] = {}
    for one in (failing for replica in status.replicas for failing in replica.failing):
        key = (one.peer, one.reason)
        counts[key] = counts.get(key, 0) + one.count
        messages.setdefault(key, one.message)
    for (peer, reason), count in counts.items():
        calls = f"{count} calls failed" if count != 1 else "1 call failed"
        yield RatedProblem(Severity.ERROR, peer, reason, f"{calls}: {messages[peer, reason]}")


def counts_of(summaries: Sequence[Summary]) -> dict[State, int]:
    """The number of orchestrators in each state."""
    return {state: sum(one.state is state for one in summaries) for state in State}


def _name(value: object, key: str) -> str:
    return clean_text(text(value, key), _MAX_NAME)
