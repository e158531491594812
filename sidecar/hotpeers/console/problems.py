"""The problems in the cluster, grouped by reason, the worst first. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ..model.orchestrator_status import LIVE
from ..overview import vocabulary  # noqa: F401 - makes its words known to `explanation_of`
from ..overview.summary import Orchestrator, Severity, problems_of
from ..page.explanation import Explanation, explanation_of
from .query import orchestrator_path
from .records import PolicyRecord

_ENTRIES = 5


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """A problem as a page shows it. `owner` is the `namespace/name` whose page shows it, `link` its path."""

    severity: Severity
    reason: str
    owner: str
    where: str
    message: str
    link: str


@dataclass(frozen=True, slots=True)
class Group:
    """All problems of one reason. `owners` is the number of orchestrators or policies that have it."""

    severity: Severity
    reason: str
    explanation: Explanation
    count: int
    owners: int
    examples: tuple[ShownProblem, ...]


def shown_problems(one: Orchestrator, now: datetime) -> Iterator[ShownProblem]:
    """The problems of an orchestrator."""
    owner = str(one.key)
    link = orchestrator_path(owner)
    for problem in problems_of(one, now):
        where = problem.subject or LIVE
        yield ShownProblem(problem.severity, problem.reason, owner, where, problem.message, link)


def policy_problems(one: PolicyRecord) -> Iterator[ShownProblem]:
    """The problem of a SpawnPolicy that is not ready."""
    if one.readiness.ready is False:
        reason, message = one.readiness.reason, one.readiness.message
        yield ShownProblem(
            Severity.ERROR, reason, str(one.key), "SpawnPolicy", message, "/policies"
        )


def grouped(problems: Iterable[ShownProblem]) -> list[Group]:
    """Groups of problems: errors first, then the most frequent."""
    found: dict[tuple[Severity, str], list[ShownProblem]] = {}
    for one in problems:
        found.setdefault((one.severity, one.reason), []).append(one)
    groups = [
        Group(
            severity,
            reason or "Unknown",
            explanation_of(reason),
            len(members),
            len({one.owner for one in members}),
            tuple(members[:_ENTRIES]),
        )
        for (severity, reason), members in found.items()
    ]
    return sorted(groups, key=lambda one: (one.severity, -one.count, one.reason))
