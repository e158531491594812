"""What a replica changes in the status of an Orchestrator."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hotpeers.mcp.hub.status import status_change
from hotpeers.model.orchestrator_status import REFRESH_SECONDS, STALE_SECONDS

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OFFERED = {"peers": 1, "offered": [{"peer": "a/b"}]}
OWN: dict[str, Any] = {"live": "True", "calls": 2, "failures": {"TimedOut": 1}, "failing": []}


def moment(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def change(found: object, own: dict[str, Any] = OWN) -> dict[str, Any]:
    changed = status_change(found, OFFERED, "hub-1", own, NOW)
    changed.pop("conditions", None)
    return changed


def test_first_status_has_everything() -> None:
    for found in ({}, None, "odd", {"replicas": "odd"}):
        wanted = {**OFFERED, "replicas": {"hub-1": {**OWN, "time": moment(0)}}}
        assert change(found) == wanted


def test_status_that_is_up_to_date_is_not_written_until_it_is_old() -> None:
    found = {**OFFERED, "replicas": {"hub-1": {**OWN, "time": moment(60)}}}
    assert change(found) == {}
    found["replicas"] = {"hub-1": {**OWN, "time": moment(REFRESH_SECONDS + 1)}}
    assert change(found) == {"replicas": {"hub-1": {**OWN, "time": moment(0)}}}


def test_entries_of_replicas_that_ended_are_removed_and_those_of_others_stay() -> None:
    replicas = {
        "hub-1": {**OWN, "time": moment(1)},
        "hub-2": {**OWN, "time": moment(STALE_SECONDS - 60)},
        "hub-3": {**OWN, "time": moment(STALE_SECONDS + 60)},
        "hub-4": {"time": "odd"},
    }
    assert change({**OFFERED, "replicas": replicas}) == {"replicas": {"hub-3": None, "hub-4": None}}


def test_reasons_that_are_gone_are_removed_by_the_merge_patch() -> None:
    before = {"calls": 9, "failures": {"Refused": 3}, "failing": [], "time": moment(9)}
    written = change({**OFFERED, "replicas": {"hub-1": before}})["replicas"]["hub-1"]
    assert written["failures"] == {"TimedOut": 1, "Refused": None}


def test_condition_live_follows_from_all_replicas() -> None:
    other = {"live": "False", "reason": "ListRejected", "message": "no", "time": moment(5)}
    found = {"conditions": [{"type": "Ready", "status": "True"}], "replicas": {"pod": other}}
    conditions = status_change(found, OFFERED, "hub-1", OWN, NOW)["conditions"]
    assert [(one["type"], one["status"]) for one in conditions] == [
        ("Live", "False"),
        ("Ready", "True"),
    ]
    assert conditions[0]["message"] == "pod: no"
    # It is the same when nothing has changed, with the time of its last transition.
    again = {**OFFERED, "conditions": conditions, "replicas": {"pod": other, "hub-1": OWN}}
    again["replicas"]["hub-1"] = {**OWN, "time": moment(0)}
    assert status_change(again, OFFERED, "hub-1", OWN, NOW) == {}
