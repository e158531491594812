"""How the status of an Orchestrator is read, whatever is in it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.model.orchestrator_status import (
    Change,
    Live,
    Offered,
    read_status,
)

FULL: dict[str, Any] = {
    "peers": 2,
    "readyPeers": 1,
    "refusedPeers": 1,
    "runtime": "kagent-adk 0.10.2",
    "held": "since 11:00",
    "tokenSecret": "one-hotpeers-token",
    "offered": [{"peer": "a/b", "source": "Peer/a/b", "ready": True}, "a/old-form"],
    "refused": [{"peer": "a/c", "reason": "CardUnreachable", "message": "no \x1b[31manswer"}],
    "problems": [{"where": "Peer/a/c", "reason": "X", "message": "y"}],
    "changes": [
        {
            "time": "2026-11-29T11:59:00Z",
            "replica": "pod-1",
            "generation": 7,
            "added": ["a/b"],
            "more": 2,
            "liveSeconds": 0.4,
        }
    ],
    "replicas": {
        "pod-1": {
            "time": "2026-11-29T12:00:00Z",
            "live": "True",
            "generation": 7,
            "liveGeneration": 7,
            "calls": 12,
            "failures": {"TimedOut": 2},
            "failing": [{"peer": "a/b", "reason": "TimedOut", "message": "m", "count": 2}],
        }
    },
    "conditions": [{"type": "Live", "status": "True", "reason": "AllLive", "message": ""}],
}


def test_full_status() -> None:
    status = read_status({"status": FULL})
    assert (status.peers, status.ready, status.refused_peers) == (2, 1, 1)
    assert status.offered == (
        Offered("a/b", "Peer/a/b", ready=True),
        Offered("a/old-form", "", ready=True),
    )
    assert status.refused[0].message == "no answer"
    moment = datetime(2026, 11, 29, 11, 59, tzinfo=UTC)
    assert status.changes == (Change(moment, "pod-1", 7, ("a/b",), more=2, live_seconds=0.4),)
    (replica,) = status.replicas
    assert (replica.live, replica.calls, replica.failures) == (Live.TRUE, 12, {"TimedOut": 2})
    assert replica.failing[0].count == 2
    assert status.live is Live.TRUE


@pytest.mark.parametrize("data", [None, [], "x", {}, {"status": None}, {"status": []}])
def test_object_without_status(data: object) -> None:
    status = read_status(data)
    assert (status.peers, status.live, status.offered) == (None, Live.UNKNOWN, ())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FULL, "other"]), _JSON), st.data())
def test_any_status_can_be_read(status: dict[str, Any], data: st.DataObject) -> None:
    for key in ("offered", "refused", "changes", "conditions"):
        part = dict.fromkeys(FULL["changes"][0], data.draw(_JSON))
        status = {**status, key: [part, data.draw(_JSON)]}
    read_status({"status": {**status, "replicas": {"pod": part, "other": data.draw(_JSON)}}})


def test_lists_are_cut() -> None:
    status = {"offered": [{"peer": "p"}] * 5000, "changes": [{"generation": n} for n in range(99)]}
    read = read_status({"status": status})
    assert len(read.offered) == 100
    assert [one.generation for one in read.changes] == list(range(49, 99))
