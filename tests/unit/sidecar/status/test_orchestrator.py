"""When a sidecar writes the status of its Orchestrator."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hotpeers.base.problems import Problem
from hotpeers.kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from hotpeers.model.orchestrator_status import format_time
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.orchestrator import OrchestratorWriter
from hotpeers.sidecar.status.report import LOADING_SECONDS
from kit.reporting import ack, status
from kit.waiting import until_async


class FakeApi:
    """One Orchestrator, as an API server keeps it. `error` is raised by the next requests."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {}
        self.uid = "u1"
        self.writes = 0
        self.checks = 0
        self.error: KubeError | None = None
        self.conflicts = 0

    async def get(self, path: str) -> Any:
        assert path.endswith("/namespaces/ns/orchestrators/lead/status")
        if self.error is not None:
            raise self.error
        metadata = {"uid": self.uid, "resourceVersion": "1", "generation": 1}
        return {"metadata": metadata, "status": self.status}

    async def metadata(self, path: str) -> Any:
        self.checks += 1
        return (await self.get(path))["metadata"]

    async def patch(self, path: str, body: Any) -> None:
        if self.conflicts:
            self.conflicts -= 1
            raise ConflictError("changed", 409)
        self.writes += 1
        self.status = {**self.status, **body["status"]}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def writer(api: FakeApi, now: list[Status], pace: float = 0.01) -> OrchestratorWriter:
    return OrchestratorWriter(api, "ns/lead", "pod-1", lambda: now[0], pace=pace)  # type: ignore[arg-type]


async def test_calls_alone_are_not_written_at_once(api: FakeApi) -> None:
    now = [status(ack(7))]
    task = asyncio.create_task(writer(api, now).run())
    await asyncio.sleep(0.3)
    assert api.writes == 1
    now[0] = status(ack(7, calls=500))
    await asyncio.sleep(0.3)
    assert api.writes == 1
    now[0] = status(ack(7, calls=500), peers=())
    await asyncio.sleep(0.3)
    assert api.writes == 2
    assert api.status["replicas"]["pod-1"]["calls"] == 500
    task.cancel()


async def test_nothing_is_written_before_the_source_was_read(api: FakeApi) -> None:
    task = asyncio.create_task(writer(api, [status(ready=False)]).run())
    await asyncio.sleep(0.3)
    assert api.writes == 0
    task.cancel()


async def test_a_conflict_is_tried_again(api: FakeApi) -> None:
    api.conflicts = 2
    one = writer(api, [status(ack(7))])
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0.4)
    assert (api.writes, one.problem) == (1, None)
    task.cancel()


async def test_report_that_met_only_conflicts_is_still_due(api: FakeApi) -> None:
    """Many pods that start together meet conflicts again and again."""
    api.conflicts = 7
    task = asyncio.create_task(writer(api, [status(ack(7))]).run())
    await asyncio.sleep(0.6)
    assert (api.conflicts, api.writes) == (0, 1)
    task.cancel()


async def test_report_is_written_again_if_the_orchestrator_was_replaced(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deleted it an hour after the pod began, and the controller made it again."""
    monkeypatch.setattr("hotpeers.sidecar.status.orchestrator._SAME_SECONDS", 0.2)
    one = writer(api, [status(ack(7))])
    one._begun -= 3600
    task = asyncio.create_task(one.run())
    await until_async("the first report", lambda: api.writes == 1)
    api.error = ForbiddenError("its new Role is missing", 403)
    before = api.checks
    await until_async("checks", lambda: api.checks > before + 1)
    assert one.problem is None
    api.error, api.status, api.uid = None, {}, "u2"
    await until_async("the report in the new one", lambda: api.writes == 2)
    assert api.status["replicas"]["pod-1"]["generation"] == 7
    before = api.checks
    await until_async("checks", lambda: api.checks > before + 1)
    assert api.writes == 2
    task.cancel()


async def test_check_for_a_replaced_orchestrator_is_rare(api: FakeApi) -> None:
    """Each pod does it for ever: one request in 48 to 72 seconds."""
    one = writer(api, [status(ack(7))])
    await one._write(one._report(status(ack(7))))
    seconds = one._check_due - time.monotonic()
    assert 47.0 < seconds < 72.0
    assert not await one._is_replaced()
    assert api.checks == 0


@pytest.mark.parametrize(
    ("error", "soon", "words"),
    [
        (NotFoundError("none", 404), None, "the right to write it"),
        (ForbiddenError("no", 403), None, "the right to write it"),
        (KubeError("bad", 422), "the CRD may be older", "the CRD may be older"),
    ],
)
async def test_missing_object_or_right_is_a_problem_only_after_a_minute(
    api: FakeApi, error: KubeError, soon: str | None, words: str
) -> None:
    api.error = error
    one = writer(api, [status(ack(7))])
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0.3)
    assert (one.problem is None) == (soon is None)
    one._begun -= 100
    one._note_failed(error)
    assert one.problem is not None
    assert words in one.problem.message
    assert one.problem.where == "Orchestrator/ns/lead"
    task.cancel()


def test_report_is_made_only_from_something_new(api: FakeApi) -> None:
    """It is looked for ten times a second, and one of thousands of peers takes milliseconds."""
    old = status(ack(6))
    one = writer(api, [old])
    first = one._report(old)
    assert one._report(replace(old)) is first
    problem = Problem("Peer/a/b", SidecarReason.NO_PROCESS, "m")
    assert one._report(replace(old, problems=(problem,))) != first
    assert one._lagging is not None
    one._lagging = (6, time.monotonic() - LOADING_SECONDS)
    assert one._report(old).own["reason"] == "NotLive"


async def test_pods_share_the_pace(api: FakeApi) -> None:
    entries = {f"pod-{n}": {"time": format_time(datetime.now(UTC))} for n in range(5)}
    api.status = {"replicas": entries}
    one = writer(api, [status(ack(7))], pace=2.0)
    seconds = await one._write(one._report(status(ack(7))))
    assert 10.0 <= seconds <= 11.0
