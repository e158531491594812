"""What a sidecar reports in the status of its workload's Orchestrator, and what it changes there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hotpeers_shim.contract import Ack, AckState, clean_text

from ...base.parts import items, number, part, text
from ...model.orchestrator_conditions import conditions_with, live_condition
from ...model.orchestrator_replicas import replicas_after, replicas_change
from ...model.orchestrator_status import LIVE, MAX_CHANGES, MAX_FAILING, MAX_PROBLEMS, Live
from ..acks.failures import failing_calls, reason_label
from ..reasons import SidecarReason
from .document import Status
from .peers import status_of_peers, title_of
from .timeline import document_of

LOADING_SECONDS = 10.0
"""How long an agent may take to load a new list before its status says that it is not live."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a sidecar has to say, without the time.

    `shared` is the part that is the same in all pods of the workload, `own` that of this pod, and
    `changes` its timeline.
    """

    shared: Mapping[str, Any]
    own: Mapping[str, Any]
    changes: Sequence[Mapping[str, Any]]


def live_report(status: Status, loading: float) -> tuple[Live, str, str]:
    """Whether the agent uses the newest list: the state, a word and a sentence.

    `loading` is for how many seconds a newer list than the live one has been written.
    """
    acks = status.acks
    if not acks.acks:
        silent = [p for p in status.problems if p.reason is SidecarReason.SHIM_NOT_LOADED]
        if silent:
            return Live.FALSE, SidecarReason.SHIM_NOT_LOADED.value, silent[0].message
        return Live.UNKNOWN, SidecarReason.NO_PROCESS.value, "no agent process has reported yet"
    for ack in acks.refusing:
        reason = ack.reason or "ShimFailed"
        return Live.FALSE, reason[:64], clean_text(f"process {ack.pid}: {ack.message}", 300)
    live = acks.generation or 0
    if live < status.generation:
        message = f"generation {status.generation} is written, and generation {live} is live"
        if loading < LOADING_SECONDS:
            return Live.UNKNOWN, SidecarReason.LOADING.value, message
        return Live.FALSE, SidecarReason.NOT_LIVE.value, message
    count = len(acks.acks)
    processes = "1 process" if count == 1 else f"{count} processes"
    return Live.TRUE, "AllLive", f"generation {status.generation} is live in {processes}"


def runtime_of(acks: Sequence[Ack]) -> str:
    """What runs the agent, such as `kagent-adk 0.10.2`; "bridge" for an agent that uses the bridge."""
    found: dict[str, None] = {}
    for ack in acks:
        for package in ("kagent-adk", "google-adk"):
            if ack.runtime.get(package):
                found[f"{package} {ack.runtime[package]}"] = None
                break
        else:
            # An agent whose runtime is not supported names only its Python.
            refused = ack.state is AckState.ERROR and "python" in ack.runtime
            found[f"python {ack.runtime['python']}" if refused else "bridge"] = None
    return clean_text(", ".join(found), 253)


def _replica_report(status: Status, loading: float) -> dict[str, Any]:
    """The report of this pod, without its time."""
    state, reason, message = live_report(status, loading)
    failing = failing_calls(status.acks)
    names = {peer.toolName: title_of(peer) for peer in status.peers}
    failures: Counter[str] = Counter()
    for one in failing.values():
        failures[reason_label(one.reason)] += one.count
    report: dict[str, Any] = {
        "live": state.value,
        "reason": reason,
        "message": clean_text(message, 300),
        "generation": status.generation,
        "processes": len(status.acks.acks),
        "runtime": runtime_of(status.acks.acks),
        "calls": sum(ack.calls for ack in status.acks.acks),
        "failures": dict(sorted(failures.items())),
        "failing": [
            {
                "peer": clean_text(names.get(one.subject, one.subject), 320),
                "reason": reason_label(one.reason),
                "message": clean_text(one.message, 400),
                "count": one.count,
            }
            for one in list(failing.values())[:MAX_FAILING]
        ],
    }
    if status.acks.generation is not None:
        report["liveGeneration"] = min(status.acks.generation, 2**53)
    return report


def _shared_report(status: Status) -> dict[str, Any]:
    """The part of the status that the pods of a workload share: its peers and its problems."""
    return {
        **status_of_peers(status.peers, status.refused),
        "problems": [
            {
                "where": clean_text(one.where, 400),
                "reason": one.reason.value[:64],
                "message": clean_text(one.message, 300),
            }
            for one in status.all_problems[:MAX_PROBLEMS]
        ],
    }


def report_of(status: Status, loading: float) -> Report:
    """The report of a sidecar; `loading` as for `live_report`."""
    changes = [document_of(one) for one in status.changes]
    return Report(_shared_report(status), _replica_report(status, loading), changes)


def status_change(found: Any, report: Report, replica: str, now: datetime) -> dict[str, Any]:
    """What to change in the status of the Orchestrator `found`; empty if it is up to date."""
    status = part(found, "status")
    change: dict[str, Any] = {k: v for k, v in report.shared.items() if status.get(k) != v}
    replicas = replicas_change(part(status, "replicas"), replica, report.own, now)
    if replicas:
        change["replicas"] = replicas
    after = replicas_after(part(status, "replicas"), replicas)
    runtimes = dict.fromkeys(filter(None, (text(one, "runtime") for one in after.values())))
    if text(status, "runtime") != (runtime := ", ".join(runtimes)[:253]):
        change["runtime"] = runtime
    timeline = merged_changes(items(status, "changes"), report.changes, replica)
    if timeline != items(status, "changes"):
        change["changes"] = timeline
    generation = number(found, "metadata", "generation")
    conditions = conditions_with(
        status.get("conditions"), LIVE, live_condition(after, now), generation, now
    )
    if conditions != status.get("conditions"):
        change["conditions"] = conditions
    if change and number(status, "observedGeneration") != generation:
        change["observedGeneration"] = generation
    return change


def merged_changes(
    found: Sequence[Any], own: Sequence[Mapping[str, Any]], replica: str
) -> list[Mapping[str, Any]]:
    """The timeline `found` with the newest form of this pod's changes; the newest `MAX_CHANGES`.

    Changes of this pod that it does not know any more stay: its sidecar was restarted, or an earlier
    pod of a StatefulSet had its name. Generations of such a pod begin again, so the time counts too.
    """
    known = {(number(one, "generation"), text(one, "time")) for one in own}
    kept = [
        one
        for one in found
        if isinstance(one, dict)
        and not (
            one.get("replica") == replica
            and (number(one, "generation"), text(one, "time")) in known
        )
    ]
    return sorted([*kept, *own], key=lambda one: text(one, "time"))[-MAX_CHANGES:]


def uncounted(report: Report) -> Report:
    """A report without the numbers that change with each call."""
    own = report.own
    failing = [{**one, "count": 0} for one in own["failing"]]
    plain = {**own, "calls": 0, "failures": list(own["failures"]), "failing": failing}
    return replace(report, own=plain)
