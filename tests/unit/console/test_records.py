"""Objects of any shape become records, and texts in them are clean and short."""

import pytest

from hotpeers.console.records import (
    read_peer_record,
    read_policy_record,
    read_spawned_record,
)
from hotpeers.overview.summary import read_orchestrator
from kit.apiserver.resources import peer
from kit.console.objects import policy, spawned, status_of

READERS = [read_orchestrator, read_peer_record, read_policy_record, read_spawned_record]
ODD = [
    None,
    [],
    "text",
    {},
    {"metadata": None, "spec": [], "status": "no"},
    {"metadata": {"name": 1, "namespace": {}}, "status": {"conditions": [1, None, {"type": []}]}},
    {
        "metadata": {
            "name": "a",
            "annotations": {"hotpeers.dev/depth": "²", "hotpeers.dev/expires-at": "x"},
        }
    },
    {
        "status": {
            "agentsAlive": True,
            "denials": -5,
            "lastDenial": [],
            "lastFailure": 3,
            "ready": "yes",
        }
    },
    {"spec": {"limits": {"creates": [], "maxAgents": 1e99}, "subjects": [None, {"kind": 1}]}},
    {"metadata": {"annotations": {"hotpeers.dev/expires-at": "9999-99-99T00:00:00Z"}}},
    {"metadata": {"creationTimestamp": "0001-01-01T00:00:00+23:59"}},
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_object_of_any_shape_is_read(read, odd) -> None:
    read(odd)


def test_texts_are_cleaned_and_cut() -> None:
    data = peer("team", "weather", "http://a", description="x" * 10_000)
    data["status"] = {"lastFailure": {"reason": "R" * 500, "message": "a\x1b[31mb\u202ec\n" * 500}}
    found = read_peer_record(data)
    assert len(found.description) <= 200
    assert found.failure is not None
    assert len(found.failure.reason) <= 64
    assert len(found.failure.message) <= 1024
    assert not set("\x1b\u202e\n") & set(found.failure.message)


def test_stamps_of_a_spawned_agent() -> None:
    found = read_spawned_record(spawned("team", "helper", "team/lead", 2))
    assert (found.parent, found.policy, found.depth) == ("team/lead", "team/helpers", 2)
    assert found.expires is not None


def test_limits_and_use_of_a_policy() -> None:
    data = policy("team", "helpers", "lead")
    data["status"] = {"agentsAlive": 3, "lastDenial": {"reason": "ToolNotAllowed", "name": "x"}}
    found = read_policy_record(data)
    assert (found.alive, found.most_agents, found.most_creates, found.most_depth) == (3, 10, 20, 2)
    assert found.subjects == ("Agent/lead",)
    assert found.denial is not None
    assert found.denial.reason == "ToolNotAllowed"


def test_equal_objects_have_equal_records() -> None:
    data = {"metadata": {"name": "a", "namespace": "b"}, "status": status_of(["team/weather"])}
    assert read_orchestrator(data) == read_orchestrator(data)
