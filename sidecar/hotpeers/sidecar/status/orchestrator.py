"""Writes what this sidecar knows into the status of its workload's Orchestrator.

The controller creates the Orchestrator, and grants the right to write the status of this one object.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import Ack, AckState, clean_text

from ...base.parts import items, number, part, text
from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from ...model.orchestrator import API_VERSION
from ...model.orchestrator_conditions import conditions_with, live_condition
from ...model.orchestrator_status import (
    LIVE,
    MAX_CHANGES,
    MAX_FAILING,
    MAX_PROBLEMS,
    MAX_REPLICAS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    Live,
    age_of,
    format_time,
)
from ..acks.failures import failing_calls, reason_label
from ..reasons import SidecarReason
from .document import Status
from .peers import status_of_peers, title_of
from .timeline import document_of

logger = logging.getLogger(__name__)

PACE_SECONDS = 2.0
"""The shortest time between two writes of one Orchestrator, by all its pods together."""
LOADING_SECONDS = 10.0
"""How long an agent may take to load a new list before its status says that it is not live."""
_CALLS_SECONDS = 60.0
"""Numbers of calls alone are written at most this often."""
_LOOK_SECONDS = 0.1
_REST_SECONDS = 10.0
# The controller creates the Orchestrator after the pod, and then grants the right to write it.
_NEW_SECONDS = 60.0
_CONFLICTS = 5
_SAME_SECONDS = 60.0
"""How often a pod with nothing to report checks whether its Orchestrator was deleted and made again."""


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


def replica_report(status: Status, loading: float) -> dict[str, Any]:
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


def shared_report(status: Status) -> dict[str, Any]:
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


def status_change(found: Any, report: Report, replica: str, now: datetime) -> dict[str, Any]:
    """What to change in the status of the Orchestrator `found`; empty if it is up to date.

    The reports of other pods stay, unless a pod has not reported for `STALE_SECONDS`.
    """
    own = report.own
    status = part(found, "status")
    entries = part(status, "replicas")
    change: dict[str, Any] = {k: v for k, v in report.shared.items() if status.get(k) != v}
    ended = {
        name: None
        for name, entry in entries.items()
        if name != replica and age_of(text(entry, "time"), now) > STALE_SECONDS
    }
    replicas: dict[str, Any] = dict(ended)
    before = part(entries, replica)
    same = {key: value for key, value in before.items() if key != "time"} == own
    if not same or age_of(text(before, "time"), now) > REFRESH_SECONDS:
        # A merge patch keeps old keys of a map, so keys that are gone are set to null.
        gone = dict.fromkeys(part(before, "failures").keys() - own["failures"].keys())
        lost = dict.fromkeys(before.keys() - own.keys())
        entry = {**lost, **own, "failures": {**own["failures"], **gone}, "time": format_time(now)}
        room = replica in entries or len(entries) - len(ended) < MAX_REPLICAS
        if room:
            replicas[replica] = entry
    if replicas:
        change["replicas"] = replicas
    after = {name: one for name, one in {**entries, **replicas}.items() if one is not None}
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


def _uncounted(report: Report) -> Report:
    """The report without the numbers that change with each call."""
    own = report.own
    failing = [{**one, "count": 0} for one in own["failing"]]
    plain = {**own, "calls": 0, "failures": list(own["failures"]), "failing": failing}
    return replace(report, own=plain)


class OrchestratorWriter:
    """Keeps the status of one Orchestrator, `namespace/name`, up to date until cancelled.

    `status` returns the newest status of the sidecar. `replica` is the name of this pod. `pace` is the
    shortest time in seconds between two writes by all pods together.
    """

    def __init__(
        self,
        client: Client,
        orchestrator: str,
        replica: str,
        status: Callable[[], Status],
        *,
        pace: float = PACE_SECONDS,
    ) -> None:
        namespace, _, name = orchestrator.partition("/")
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/orchestrators/{name}/status"
        self._title = f"Orchestrator/{orchestrator}"
        self._client = client
        self._replica = replica
        self._status = status
        self._pace = pace
        self._pods = 1
        self._begun = time.monotonic()
        self._uid = ""
        self._check_due = 0.0
        self._written: tuple[Report, float] | None = None
        self._lagging: tuple[int, float] | None = None
        self._made: tuple[tuple[Any, ...], Report] | None = None
        self.problem: Problem | None = None

    async def run(self) -> None:
        """Write until cancelled. A `KubeError` is reported as `problem`; other errors are raised."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            status = self._status()
            # Until the source was read, the numbers would be those of an earlier start.
            if not status.ready:
                continue
            report = self._report(status)
            if not self._is_due(report) and not await self._is_replaced():
                continue
            await asyncio.sleep(await self._write(report))

    def _report(self, status: Status) -> Report:
        now = time.monotonic()
        live = status.acks.generation or 0
        if not status.acks.acks or live >= status.generation:
            self._lagging = None
        elif self._lagging is None or live > self._lagging[0]:
            self._lagging = (live, now)
        loading = now - self._lagging[1] if self._lagging is not None else 0.0
        # A report of thousands of peers takes milliseconds, so it is made only from something new.
        made_of = (
            *(status.peers, status.refused, status.problems, status.acks, status.changes),
            *(status.generation, loading < LOADING_SECONDS),
        )
        if self._made is None or self._made[0] != made_of:
            changes = [document_of(one) for one in status.changes]
            report = Report(shared_report(status), replica_report(status, loading), changes)
            self._made = (made_of, report)
        return self._made[1]

    def _is_due(self, report: Report) -> bool:
        if self._written is None:
            return True
        before, at = self._written
        age = time.monotonic() - at
        if before == report:
            return age > REFRESH_SECONDS
        return _uncounted(before) != _uncounted(report) or age > _CALLS_SECONDS

    async def _is_replaced(self) -> bool:
        """Whether the Orchestrator was made again since the last write, so that its status is empty.

        Somebody may delete it, and the controller replaces it if its Deployment was created again. The
        API server is asked once in `_SAME_SECONDS`, and sends only the metadata.
        """
        if time.monotonic() < self._check_due:
            return False
        self._delay_check()
        try:
            found = await self._client.metadata(self._path)
        except KubeError:
            return False  # it or the right to write it may be made again soon
        return text(found, "uid") != self._uid

    def _delay_check(self) -> None:
        pause = _SAME_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - pods that start together
        self._check_due = time.monotonic() + pause

    async def _write(self, report: Report) -> float:
        """Write the report. Returns the seconds to wait before the next write."""
        try:
            for _ in range(_CONFLICTS):
                with suppress(ConflictError):
                    await self._write_once(report)
                    break
                # Another pod wrote at the same time.
                await asyncio.sleep(random.uniform(0.0, self._pace / 2))  # noqa: S311
            else:
                # Nothing was written: the report is still due.
                return self._pace * self._pods * random.uniform(0.5, 1.5)  # noqa: S311
        except KubeError as error:
            return self._note_failed(error)
        self.problem = None
        self._written = (report, time.monotonic())
        # The pods share the pace. A random part keeps them from writing at the same moment.
        return self._pace * self._pods * random.uniform(1.0, 1.1)  # noqa: S311

    async def _write_once(self, report: Report) -> None:
        found = await self._client.get(self._path)
        now = datetime.now(UTC)
        entries = part(found, "status", "replicas")
        fresh = (one for one in entries.values() if age_of(text(one, "time"), now) < STALE_SECONDS)
        self._pods = min(max(sum(1 for _ in fresh), 1), MAX_REPLICAS)
        change = status_change(found, report, self._replica, now)
        if change:
            version = text(found, "metadata", "resourceVersion")
            body = {"metadata": {"resourceVersion": version}, "status": change}
            await self._client.patch(self._path, body)
        self._uid = text(found, "metadata", "uid")
        self._delay_check()

    def _note_failed(self, error: KubeError) -> float:
        expected = isinstance(error, (NotFoundError, ForbiddenError))
        if expected and time.monotonic() - self._begun < _NEW_SECONDS:
            # The controller has not created the Orchestrator or the right yet.
            return self._pace / 2
        todo = ""
        if expected:
            todo = "; hotpeers' controller creates it and the right to write it (orchestrators.enabled)"
        elif error.status == 422:
            todo = "; the CRD may be older than this sidecar: apply the CRDs of the release"
        message = f"its status cannot be written: {error}{todo}"
        self.problem = Problem(self._title, error.reason, clean_text(message, 600))
        return random.uniform(0.5, 1.5) * _REST_SECONDS  # noqa: S311
