"""The status of a Peer, from what all orchestrators report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hotpeers.base.names import NamespacedName
from hotpeers.controller.status.offers import (
    SETTLE_SECONDS,
    read_offers,
    read_peer_object,
    status_change,
    tallies,
)
from hotpeers.model.orchestrator_status import format_time

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WEATHER = NamespacedName("ns", "weather")


def orchestrator(name: str, *offered: str, unready: str = "", **status: Any) -> dict[str, Any]:
    entries = [
        {"peer": one.partition("/")[2], "source": one, "ready": one != unready} for one in offered
    ]
    return {
        "metadata": {"namespace": "ns", "name": name, "uid": name},
        "status": {"peers": len(offered), "offered": entries, **status},
    }


def failing(peer: str, reason: str, time: str) -> dict[str, Any]:
    one = {"peer": peer, "reason": reason, "message": "m", "count": 1}
    return {"replicas": {"pod": {"time": time, "failing": [one]}}}


def test_peer_is_counted_and_ready_if_all_say_so() -> None:
    reports = [
        orchestrator("a", "Peer/ns/weather", "Agent/ns/weather"),
        orchestrator("b", "Peer/ns/weather", unready="Peer/ns/weather"),
        orchestrator("c", "Agent/ns/weather"),
    ]
    found, complete = tallies(map(read_offers, reports))
    assert complete
    assert status_change({}, found[WEATHER], complete=True, now=NOW) == {
        "offeredTo": "2",
        "ready": False,
    }
    # An Agent of the same name is not this Peer.
    assert set(found) == {WEATHER}


def test_number_has_a_plus_if_lists_are_cut_off() -> None:
    found, complete = tallies([read_offers(orchestrator("a", "Peer/ns/weather", peers=5000))])
    assert status_change({}, found[WEATHER], complete=complete, now=NOW)["offeredTo"] == "1+"
    assert status_change({}, None, complete=complete, now=NOW) == {"offeredTo": "0+"}


def test_newest_failure_is_shown_and_stays() -> None:
    early, late = "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z"
    reports = [
        orchestrator("a", "Peer/ns/weather", **failing("ns/weather", "TimedOut", late)),
        orchestrator("b", "Peer/ns/weather", **failing("ns/weather", "Refused", early)),
        # Somebody reports a failure of a peer that it is not offered.
        orchestrator("c", **failing("ns/weather", "Lie", "2027-01-01T00:00:00Z")),
    ]
    found, _ = tallies(map(read_offers, reports))
    change = status_change({}, found[WEATHER], complete=True, now=NOW)
    assert change["lastFailure"] == {
        "orchestrator": "ns/a",
        "reason": "TimedOut",
        "message": "m",
        "time": late,
    }
    assert status_change(change, found[WEATHER], complete=True, now=NOW) == {}
    quiet, _ = tallies([read_offers(orchestrator("a", "Peer/ns/weather"))])
    assert "lastFailure" not in status_change(change, quiet[WEATHER], complete=True, now=NOW)


def last_failures(reports: list[list[Any]], start: datetime, seconds: float) -> list[Any]:
    """The last failures that a Peer shows in turn, with a pass after each list of reports."""
    shown: dict[str, Any] = {}
    written = []
    for number, report in enumerate(reports):
        now = start + timedelta(seconds=number * seconds)
        found, _ = tallies(map(read_offers, report))
        change = status_change(shown, found.get(WEATHER), complete=True, now=now)
        if "lastFailure" in change:
            written.append((number, change["lastFailure"]["orchestrator"]))
        shown |= change
    return written


def reports_of(*failures: tuple[str, str, datetime]) -> list[Any]:
    return [
        orchestrator(name, "Peer/ns/weather", **failing("ns/weather", reason, format_time(at)))
        for name, reason, at in failures
    ]


def test_failures_that_two_orchestrators_report_in_turn_are_written_once() -> None:
    """For an hour, one of the two reports every 5 seconds, so its failure is the newest."""
    passes = []
    for number in range(720):
        now = NOW + timedelta(seconds=5 * number)
        earlier = now - timedelta(seconds=5)
        a, b = (now, earlier) if number % 2 else (earlier, now)
        passes.append(reports_of(("a", "TimedOut", a), ("b", "Refused", b)))
    assert last_failures(passes, NOW, 5) == [(0, "ns/b")]
    # When calls of b succeed again, what a reports is the news.
    after = reports_of(("a", "TimedOut", NOW + timedelta(hours=1)))
    assert last_failures([*passes, after], NOW, 5) == [(0, "ns/b"), (720, "ns/a")]


def test_pods_of_one_orchestrator_with_two_reasons_are_written_once() -> None:
    passes = []
    for number in range(100):
        now = NOW + timedelta(seconds=5 * number)
        report = orchestrator("a", "Peer/ns/weather")
        pods = {}
        for pod, reason in enumerate(("TimedOut", "Refused")):
            at = format_time(now if number % 2 == pod else now - timedelta(seconds=5))
            one = {"peer": "ns/weather", "reason": reason, "message": "m", "count": number}
            pods[f"pod-{pod}"] = {"time": at, "failing": [one]}
        report["status"]["replicas"] = pods
        passes.append([report])
    assert len(last_failures(passes, NOW, 5)) == 1


def test_peer_that_sometimes_fails_is_written_at_most_every_half_minute() -> None:
    """Each pass shows a failure of the other orchestrator only."""
    times = [NOW + timedelta(seconds=5 * number) for number in range(120)]
    passes = [reports_of(("ab"[n % 2], "TimedOut", at)) for n, at in enumerate(times)]
    written = [number for number, _ in last_failures(passes, NOW, 5)]
    assert 2 < len(written) <= 600 / SETTLE_SECONDS
    pauses = [after - before for before, after in pairwise(written)]
    assert min(pauses) * 5 >= SETTLE_SECONDS


def test_failure_with_an_odd_time_does_not_stay_for_ever() -> None:
    for odd in (NOW + timedelta(days=9999), None):
        shown = {"orchestrator": "ns/liar", "reason": "Lie", "message": "m", "time": ""}
        shown["time"] = format_time(odd) if odd is not None else "odd"
        found, _ = tallies(map(read_offers, reports_of(("a", "TimedOut", NOW))))
        change = status_change({"lastFailure": shown}, found[WEATHER], complete=True, now=NOW)
        assert change["lastFailure"]["orchestrator"] == "ns/a"


def test_status_of_a_peer_that_is_offered_to_nobody_any_more() -> None:
    before = {"offeredTo": "2", "ready": True}
    assert status_change(before, None, complete=True, now=NOW) == {"offeredTo": "0", "ready": None}


def test_odd_objects() -> None:
    assert read_peer_object({"metadata": {"namespace": "ns", "name": "weather"}}).key == WEATHER
    odd = orchestrator("a")
    odd["status"] = {"offered": [1, {"source": "Peer/"}, {"source": "Peer/x"}], "replicas": [1]}
    assert read_offers(odd).ready == {
        NamespacedName("", ""): False,
        NamespacedName("x", ""): False,
    }
