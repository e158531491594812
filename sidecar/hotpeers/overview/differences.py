"""What changed between two views of an orchestrator, as lines for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..base.names import NamespacedName
from .summary import RatedProblem, Summary


def differences(
    before: Mapping[NamespacedName, Summary], after: Mapping[NamespacedName, Summary]
) -> Iterator[tuple[NamespacedName, str]]:
    """The changed things, each with the orchestrator that has it."""
    for key in before.keys() - after.keys():
        yield key, "removed"
    for key, summary in after.items():
        old = before.get(key)
        if old is None:
            yield key, f"added: {facts(summary)}"
            yield from ((key, f"problem: {problem_line(one)}") for one in summary.problems)
        elif old != summary:
            yield from ((key, line) for line in _changed(old, summary))


def facts(summary: Summary) -> str:
    """The numbers of an orchestrator in a line."""
    status = summary.status
    if status.peers is None:
        return str(summary.state)
    held = ", held" if status.held else ""
    return (
        f"{summary.state}, {status.ready} of {status.peers} peers ready, "
        f"{status.refused_peers} refused, live {status.live}{held}"
    )


def problem_line(problem: RatedProblem) -> str:
    """A problem in a line."""
    parts = (problem.reason, problem.subject)
    head = " ".join(one for one in parts if one)
    return f"{head}: {problem.message}" if problem.message else head


def _changed(before: Summary, after: Summary) -> Iterator[str]:
    was = {(one.subject, one.reason): one for one in before.problems}
    now = {(one.subject, one.reason): one for one in after.problems}
    yield from (f"problem: {problem_line(one)}" for key, one in now.items() if key not in was)
    yield from (f"solved: {problem_line(one)}" for key, one in was.items() if key not in now)
    if facts(before) != facts(after):
        yield f"now: {facts(after)}"
