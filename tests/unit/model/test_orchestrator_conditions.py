"""The conditions that follow from the reports of pods, beside those of other writers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hotpeers.model.orchestrator_conditions import conditions_with, live_condition
from hotpeers.model.orchestrator_status import Live, format_time

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def report(live: str, age: int = 0, message: str = "m") -> dict[str, str]:
    time = format_time(NOW.replace(hour=12 - age))
    return {"live": live, "reason": "R", "message": message, "time": time}


@pytest.mark.parametrize(
    ("replicas", "state"),
    [
        ({}, Live.UNKNOWN),
        ({"a": report("True")}, Live.TRUE),
        ({"a": report("True"), "b": report("Unknown")}, Live.UNKNOWN),
        ({"a": report("True"), "b": report("Unknown"), "c": report("False")}, Live.FALSE),
        # A report that is hours old does not count.
        ({"a": report("True"), "b": report("False", age=2)}, Live.TRUE),
        # Nor one of a clock that is hours ahead: it would count for ever.
        ({"a": report("True"), "b": report("False", age=-2)}, Live.TRUE),
        ({"a": {"live": "odd", "time": format_time(NOW)}, "b": None}, Live.UNKNOWN),
    ],
)
def test_live_condition(replicas: dict[str, Any], state: Live) -> None:
    assert live_condition(replicas, NOW)[0] is state


def test_condition_keeps_the_time_of_its_last_transition() -> None:
    first = conditions_with(None, "Live", ("True", "A", "m"), 1, NOW)
    later = NOW.replace(hour=13)
    assert conditions_with(first, "Live", ("True", "A", "m"), 1, later) == first
    other = conditions_with(first, "Live", ("False", "B", "m"), 1, later)
    assert other[0]["lastTransitionTime"] == format_time(later)
    assert conditions_with([{"type": "Ready"}, "odd"], "Live", ("True", "A", ""), 1, NOW)[1] == {
        "type": "Ready"
    }


def test_own_condition_has_room_among_many() -> None:
    others = [{"type": f"A{number}"} for number in range(20)]
    found = conditions_with(others, "Live", ("True", "A", "m"), 1, NOW)
    assert (len(found), found[-1]["type"]) == (16, "Live")
