"""How a replica changes the reports in the status of an Orchestrator."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hotpeers.model.orchestrator_replicas import replicas_after, replicas_change
from hotpeers.model.orchestrator_status import (
    MAX_REPLICAS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    format_time,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OWN = {"live": "True", "failures": {"TimedOut": 2}}


def at(seconds: float, **report: Any) -> dict[str, Any]:
    return {**OWN, **report, "time": format_time(NOW - timedelta(seconds=seconds))}


def test_report_is_written_if_it_differs_or_gets_old() -> None:
    assert replicas_change({}, "a", OWN, NOW) == {"a": at(0)}
    assert replicas_change({"a": at(60)}, "a", OWN, NOW) == {}
    assert replicas_change({"a": at(REFRESH_SECONDS + 1)}, "a", OWN, NOW) == {"a": at(0)}


def test_keys_that_are_gone_are_set_to_null() -> None:
    found = {"a": at(0, failures={"Old": 1}, runtime="x")}
    change = replicas_change(found, "a", OWN, NOW)
    assert change == {"a": at(0, failures={"TimedOut": 2, "Old": None}, runtime=None)}


def test_silent_replicas_make_room() -> None:
    others = {f"b{number}": at(0) for number in range(MAX_REPLICAS)}
    assert replicas_change(others, "a", OWN, NOW) == {}
    change = replicas_change({**others, "b0": at(STALE_SECONDS + 1)}, "a", OWN, NOW)
    assert change == {"b0": None, "a": at(0)}
    assert len(replicas_after(others, change)) == MAX_REPLICAS


def test_odd_reports_are_removed() -> None:
    assert replicas_change({"b": "odd", "c": {"time": 3}}, "a", OWN, NOW) == {
        "b": None,
        "c": None,
        "a": at(0),
    }
