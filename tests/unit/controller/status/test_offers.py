"""The status of a Peer, from what all orchestrators report."""

from __future__ import annotations

from typing import Any

from hotpeers.base.names import NamespacedName
from hotpeers.controller.status.offers import (
    read_offers,
    read_peer_object,
    standings,
    status_change,
)

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
    found, complete = standings(map(read_offers, reports))
    assert complete
    assert status_change({}, found[WEATHER], complete=True) == {"offeredTo": "2", "ready": False}
    # An Agent of the same name is not this Peer.
    assert set(found) == {WEATHER}


def test_number_has_a_plus_if_lists_are_cut_off() -> None:
    found, complete = standings([read_offers(orchestrator("a", "Peer/ns/weather", peers=5000))])
    assert status_change({}, found[WEATHER], complete=complete)["offeredTo"] == "1+"
    assert status_change({}, None, complete=complete) == {"offeredTo": "0+"}


def test_newest_failure_is_shown_and_stays() -> None:
    early, late = "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z"
    reports = [
        orchestrator("a", "Peer/ns/weather", **failing("ns/weather", "TimedOut", late)),
        orchestrator("b", "Peer/ns/weather", **failing("ns/weather", "Refused", early)),
        # Somebody reports a failure of a peer that it is not offered.
        orchestrator("c", **failing("ns/weather", "Lie", "2027-01-01T00:00:00Z")),
    ]
    found, _ = standings(map(read_offers, reports))
    change = status_change({}, found[WEATHER], complete=True)
    assert change["lastFailure"] == {
        "orchestrator": "ns/a",
        "reason": "TimedOut",
        "message": "m",
        "time": late,
    }
    assert status_change(change, found[WEATHER], complete=True) == {}
    quiet, _ = standings([read_offers(orchestrator("a", "Peer/ns/weather"))])
    assert "lastFailure" not in status_change(change, quiet[WEATHER], complete=True)


def test_status_of_a_peer_that_is_offered_to_nobody_any_more() -> None:
    before = {"offeredTo": "2", "ready": True}
    assert status_change(before, None, complete=True) == {"offeredTo": "0", "ready": None}


def test_odd_objects() -> None:
    assert read_peer_object({"metadata": {"namespace": "ns", "name": "weather"}}).key == WEATHER
    odd = orchestrator("a")
    odd["status"] = {"offered": [1, {"source": "Peer/"}, {"source": "Peer/x"}], "replicas": [1]}
    assert read_offers(odd).ready == {
        NamespacedName("", ""): False,
        NamespacedName("x", ""): False,
    }
