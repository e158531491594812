"""The overview as JSON documents. docs/reference/commands.md describes their fields, which stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..base.names import NamespacedName
from ..model.orchestrator_status import Condition, Failing, Replica, ReportedProblem, format_time
from .summary import RatedProblem, State, Summary, counts_of
from .timeline import Entry


def overview_document(summaries: Sequence[Summary]) -> dict[str, Any]:
    """The document of `hotpeers status -o json`."""
    counts = counts_of(summaries)
    return {
        "summary": {
            "orchestrators": len(summaries),
            "problem": counts[State.PROBLEM],
            "unknown": counts[State.UNKNOWN],
            "ok": counts[State.OK],
        },
        "orchestrators": [orchestrator_document(one) for one in summaries],
    }


def orchestrator_document(summary: Summary) -> dict[str, Any]:
    """One orchestrator of the document."""
    orchestrator, status = summary.orchestrator, summary.status
    return {
        "namespace": summary.key.namespace,
        "name": summary.key.name,
        "workload": orchestrator.workload,
        "created": _time(orchestrator.created),
        "reported": _time(summary.reported),
        "state": str(summary.state),
        "problems": [_problem(one) for one in summary.problems],
        "peers": status.peers,
        "readyPeers": status.ready,
        "refusedPeers": status.refused_peers,
        "runtime": status.runtime,
        "held": status.held,
        "offered": [
            {"peer": one.peer, "source": one.source, "ready": one.ready} for one in status.offered
        ],
        "refused": [_problem(one) for one in status.refused],
        "replicas": [_replica(one) for one in status.replicas],
        "conditions": [_condition(one) for one in status.conditions],
    }


def removed_document(key: NamespacedName) -> dict[str, Any]:
    """An orchestrator that was deleted, for `--watch`."""
    return {"namespace": key.namespace, "name": key.name, "state": "removed"}


def history_document(entries: Sequence[Entry]) -> dict[str, Any]:
    """The document of `hotpeers history -o json`."""
    return {"changes": [entry_document(one) for one in entries]}


def entry_document(entry: Entry) -> dict[str, Any]:
    """One change of the document."""
    change = entry.change
    return {
        "time": _time(change.time),
        "namespace": entry.key.namespace,
        "name": entry.key.name,
        "replica": change.replica,
        "generation": change.generation,
        "added": list(change.added),
        "removed": list(change.removed),
        "changed": list(change.changed),
        "more": change.more,
        "liveSeconds": change.live_seconds,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _problem(problem: ReportedProblem | RatedProblem) -> dict[str, Any]:
    return {"subject": problem.subject, "reason": problem.reason, "message": problem.message}


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": str(condition.status),
        "reason": condition.reason,
        "message": condition.message,
        "since": _time(condition.since),
    }


def _replica(replica: Replica) -> dict[str, Any]:
    return {
        "name": replica.name,
        "reported": _time(replica.time),
        "live": str(replica.live),
        "reason": replica.reason,
        "message": replica.message,
        "generation": replica.generation,
        "liveGeneration": replica.live_generation,
        "processes": replica.processes,
        "runtime": replica.runtime,
        "calls": replica.calls,
        "failures": dict(replica.failures),
        "failing": [_failing(one) for one in replica.failing],
    }


def _failing(failing: Failing) -> dict[str, Any]:
    return {
        "peer": failing.peer,
        "reason": failing.reason,
        "message": failing.message,
        "count": failing.count,
    }
