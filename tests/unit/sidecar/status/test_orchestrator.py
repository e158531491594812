"""What a sidecar writes into the status of its Orchestrator, and when."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hotpeers.base.problems import Problem
from hotpeers.kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from hotpeers.model.orchestrator_status import format_time, read_status
from hotpeers.sidecar.acks.reader import Acks
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.changes import PeerChanges
from hotpeers.sidecar.resolve.eligibility import Refused
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.orchestrator import (
    LOADING_SECONDS,
    OrchestratorWriter,
    Report,
    live_report,
    merged_changes,
    replica_report,
    runtime_of,
    shared_report,
    status_change,
)
from hotpeers.sidecar.status.timeline import Timeline, document_of
from hotpeers_shim.contract import Ack, AckState, CallFailure, Peer
from kit.waiting import until_async

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def peer(name: str, *, ready: bool = True) -> Peer:
    return Peer(
        name=name,
        url="http://x",
        toolName=f"ns__NS__{name}",
        namespace="ns",
        ready=ready,
        source=f"Peer/ns/{name}",
    )


def ack(generation: int | None = 7, **fields: Any) -> Ack:
    fields = {"pid": 1, "state": AckState.ACTIVE, **fields}
    return Ack(generation=generation, **fields)


def status(*acks: Ack, **fields: Any) -> Status:
    fields = {"ready": True, "generation": 7, "peers": (peer("a"),), **fields}
    return Status(source="s", peer_file="f", acks=Acks(acks), **fields)


def report(*acks: Ack, **fields: Any) -> Report:
    one = status(*acks, **fields)
    changes = [document_of(change) for change in one.changes]
    return Report(shared_report(one), replica_report(one, 0.0), changes)


@pytest.mark.parametrize(
    ("acks", "loading", "state", "word"),
    [
        ((), 0.0, "Unknown", "NoProcess"),
        ((ack(7),), 0.0, "True", "AllLive"),
        ((ack(7), ack(9, pid=2)), 0.0, "True", "AllLive"),
        ((ack(6),), 1.0, "Unknown", "Loading"),
        ((ack(6),), 30.0, "False", "NotLive"),
        ((ack(None),), 30.0, "False", "NotLive"),
        ((ack(7), ack(6, state=AckState.REFUSED, reason="NotJson")), 0.0, "False", "NotJson"),
        ((ack(None, state=AckState.ERROR),), 0.0, "False", "ShimFailed"),
    ],
)
def test_live(acks: tuple[Ack, ...], loading: float, state: str, word: str) -> None:
    assert live_report(status(*acks), loading)[:2] == (state, word)


def test_agent_without_the_shim_is_not_live() -> None:
    problem = Problem("agent", SidecarReason.SHIM_NOT_LOADED, "it runs without the shim")
    assert live_report(status(problems=(problem,)), 0.0) == (
        "False",
        "ShimNotLoaded",
        "it runs without the shim",
    )


@pytest.mark.parametrize(
    ("runtimes", "said"),
    [
        ([{"kagent-adk": "0.10.2", "google-adk": "1.25", "python": "3.13"}], "kagent-adk 0.10.2"),
        ([{"google-adk": "2.6.0"}], "google-adk 2.6.0"),
        ([{"python": "3.13", "a2a-sdk": "1.0"}], "bridge"),
        ([{"google-adk": "1.20"}, {"google-adk": "1.21"}], "google-adk 1.20, google-adk 1.21"),
        ([{}, {}], "bridge"),
        ([{"google-adk": "1\x1b[31m\n2"}], "google-adk 1 2"),
    ],
)
def test_runtime(runtimes: list[dict[str, str]], said: str) -> None:
    assert runtime_of([ack(runtime=runtime) for runtime in runtimes]) == said


def test_runtime_that_is_not_supported_is_named_by_its_python() -> None:
    assert runtime_of([ack(state=AckState.ERROR, runtime={"python": "3.9.1"})]) == "python 3.9.1"


def test_report_is_bounded_whatever_agents_and_peers_say() -> None:
    long = "x" * 5000
    failures = tuple(CallFailure(f"t{n}", long, long, 10**30) for n in range(1000))
    made = report(
        ack(10**18, reason=long, message=long, failures=failures, runtime={long: long}),
        peers=tuple(peer(f"p{n:04}", ready=n != 999) for n in range(1000)),
        refused=tuple(Refused(f"ns/{n}", "s", SidecarReason.NOT_READY, long) for n in range(99)),
        problems=tuple(Problem(long, SidecarReason.NOT_READY, long) for _ in range(99)),
    )
    change = status_change({"metadata": {"generation": 1}}, made, "pod-1", NOW)
    read = read_status({"status": change})
    assert (read.peers, read.ready, read.refused_peers) == (1000, 999, 99)
    # The one that is not ready comes first.
    assert read.offered[0].peer == "ns/p0999"
    assert (len(read.offered), len(read.refused), len(read.problems)) == (100, 20, 20)
    assert len(str(change)) < 60_000
    (replica,) = read.replicas
    assert len(replica.failing) == 20
    assert set(replica.failures) == {"Other"}


def test_status_that_is_up_to_date_is_not_changed() -> None:
    made = report(ack(7, calls=3))
    found: dict[str, Any] = {"metadata": {"generation": 2}}
    found["status"] = status_change(found, made, "pod-1", NOW)
    assert found["status"]["observedGeneration"] == 2
    assert status_change(found, made, "pod-1", NOW + timedelta(minutes=5)) == {}
    later = status_change(found, made, "pod-1", NOW + timedelta(minutes=16))
    assert list(later) == ["replicas"]


def test_other_pods_count_until_they_are_silent_for_an_hour() -> None:
    found: dict[str, Any] = {"metadata": {}, "status": {}}
    broken = report(ack(6, state=AckState.REFUSED, reason="NotJson"))
    found["status"] = status_change(found, broken, "pod-2", NOW)
    change = status_change(found, report(ack(7)), "pod-1", NOW)
    assert "conditions" not in change
    assert found["status"]["conditions"][0]["message"].startswith("pod-2: ")
    late = NOW + timedelta(hours=2)
    change = status_change(found, report(ack(7)), "pod-1", late)
    assert change["replicas"]["pod-2"] is None
    assert change["conditions"][0]["status"] == "True"


def test_more_pods_than_fit_are_left_out() -> None:
    entries = {f"pod-{n}": {"time": format_time(NOW), "live": "True"} for n in range(64)}
    found = {"metadata": {}, "status": {"replicas": entries}}
    assert "replicas" not in status_change(found, report(ack(7)), "another", NOW)
    assert "pod-3" in status_change(found, report(ack(7)), "pod-3", NOW)["replicas"]


def test_keys_that_are_gone_are_removed_by_the_merge_patch() -> None:
    failing = (CallFailure("ns__NS__a", "PeerUnreachable", "m", 2),)
    found: dict[str, Any] = {"metadata": {}}
    found["status"] = status_change(found, report(ack(7, failures=failing)), "pod-1", NOW)
    entry = status_change(found, report(), "pod-1", NOW)["replicas"]["pod-1"]
    assert entry["failures"] == {"PeerUnreachable": None}
    assert entry["liveGeneration"] is None


def test_timeline_keeps_the_changes_of_other_pods_and_of_an_earlier_sidecar() -> None:
    timeline = Timeline("pod-1")
    timeline.note(PeerChanges((peer("a"), *map(peer, "bcdefg")), (), (peer("z"),)), 7)
    timeline.note(PeerChanges((), (), ()), 8)
    timeline.live(7, 0.41234)
    timeline.live(7, 9.0)
    (own,) = map(document_of, timeline.changes)
    assert own["added"] == ["ns/a", "ns/b", "ns/c", "ns/d", "ns/e"]
    assert (own["removed"], own["more"], own["liveSeconds"]) == (["ns/z"], 2, 0.412)
    others = [
        {"time": "2026-01-01T00:00:00Z", "replica": "pod-1", "generation": 6},
        {"time": "2026-01-02T00:00:00Z", "replica": "pod-1", "generation": 7},
        {"time": "2026-01-03T00:00:00Z", "replica": "pod-2", "generation": 7},
        "odd",
    ]
    merged = merged_changes(others, [own], "pod-1")
    # An earlier pod of a StatefulSet may have had the same name and generation.
    assert merged == [*others[:3], own]
    earlier = {key: value for key, value in own.items() if key != "liveSeconds"}
    assert merged_changes([earlier], [own], "pod-1") == [own]
    many = [{"time": f"2026-01-01T00:00:{n:02}Z", "generation": n} for n in range(60)]
    assert len(merged_changes(many, [own], "pod-1")) == 50


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
    assert replace(report(ack(7))) == report(ack(7))
