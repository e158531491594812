"""Writes what this sidecar knows into the status of its workload's Orchestrator.

The controller creates the Orchestrator, and grants the right to write the status of this one object.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hotpeers_shim.contract import clean_text

from ...base.parts import part, text
from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from ...model.orchestrator import API_VERSION
from ...model.orchestrator_status import MAX_REPLICAS, REFRESH_SECONDS, STALE_SECONDS, age_of
from .document import Status
from .report import LOADING_SECONDS, Report, report_of, status_change, uncounted

PACE_SECONDS = 2.0
"""The shortest time between two writes of one Orchestrator, by all its pods together."""
_CALLS_SECONDS = 60.0
"""Numbers of calls alone are written at most this often."""
_LOOK_SECONDS = 0.1
_REST_SECONDS = 10.0
# The controller creates the Orchestrator after the pod, and then grants the right to write it.
_NEW_SECONDS = 60.0
_CONFLICTS = 5
_SAME_SECONDS = 60.0
"""How often a pod with nothing to report checks whether its Orchestrator was deleted and made again."""


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
            self._made = (made_of, report_of(status, loading))
        return self._made[1]

    def _is_due(self, report: Report) -> bool:
        if self._written is None:
            return True
        before, at = self._written
        age = time.monotonic() - at
        if before == report:
            return age > REFRESH_SECONDS
        return uncounted(before) != uncounted(report) or age > _CALLS_SECONDS

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
