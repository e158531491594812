"""What a sidecar writes into the status of its Orchestrator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hotpeers.base.problems import Problem
from hotpeers.model.orchestrator_status import format_time, read_status
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.changes import PeerChanges
from hotpeers.sidecar.resolve.eligibility import Refused
from hotpeers.sidecar.status.report import (
    Report,
    live_report,
    merged_changes,
    report_of,
    runtime_of,
    status_change,
)
from hotpeers.sidecar.status.timeline import Timeline, document_of
from hotpeers_shim.contract import Ack, AckState, CallFailure
from kit.reporting import ack, peer, status

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def report(*acks: Ack, **fields: Any) -> Report:
    return report_of(status(*acks, **fields), 0.0)


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
