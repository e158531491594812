"""What counts as a problem of an orchestrator, and what is unknown."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.overview.document import overview_document
from hotpeers.overview.summary import (
    State,
    Summary,
    all_well,
    ordered,
    read_orchestrator,
    summarize,
)
from kit.orchestrators import NOW, orchestrator, refusal, stamp, status


def summary(data: object) -> Summary:
    return summarize(read_orchestrator(data), NOW)


def found(data: object) -> tuple[State, list[tuple[str, str]]]:
    one = summary(data)
    return one.state, [(problem.subject, problem.reason) for problem in one.problems]


def test_orchestrator_without_problems_is_ok() -> None:
    one = summary(orchestrator(status=status()))
    assert (one.state, one.problems, one.calls, one.failed_calls) == (State.OK, (), 7, 0)
    assert one.orchestrator.workload == "Deployment/concierge"


def failing(**replica: Any) -> dict[str, Any]:
    entry = {"peer": "team/weather", "reason": "PeerUnreachable", "message": "cut", "count": 3}
    return {"time": stamp(), "live": "True", "failing": [entry], **replica}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (status(**refusal()), [("team/broken", "CardUnavailable")]),
        (status(live="False"), [("", "NotJson")]),
        (
            status(problems=[{"where": "Peer/a/b", "reason": "WrongShape", "message": "m"}]),
            [("Peer/a/b", "WrongShape")],
        ),
        (
            status(replicas={"a": failing(), "b": failing()}),
            [("team/weather", "PeerUnreachable")],
        ),
    ],
)
def test_problems_are_found(given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(orchestrator(status=given)) == (State.PROBLEM, expected)


def test_failed_calls_of_all_pods_are_added() -> None:
    one = summary(orchestrator(status=status(replicas={"a": failing(), "b": failing()})))
    assert one.problems[0].message == "6 calls failed: cut"


@pytest.mark.parametrize("reason", ["IsOrchestrator", "NotSelected"])
def test_refusal_by_design_is_no_problem(reason: str) -> None:
    assert found(orchestrator(status=status(**refusal(reason=reason)))) == (State.OK, [])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (orchestrator(), "NoReport"),
        (orchestrator(status=None), "NoReport"),
        (orchestrator(status="x"), "NoReport"),
        (orchestrator(status=status(replicas={"a": {"time": stamp(4000)}})), "NoReport"),
        (orchestrator(status=status(replicas={"a": {"time": stamp(-4000)}})), "NoReport"),
        (orchestrator(status=status(live="Unknown")), "NotReported"),
        (orchestrator(status=status(conditions=[])), "NoReport"),
        (orchestrator(status={"offered": ["team/weather"]}), "StatusOld"),
    ],
)
def test_unknown_state_has_a_reason(given: object, reason: str) -> None:
    assert found(given) == (State.UNKNOWN, [("", reason)])


def test_orchestrator_of_the_hub_needs_no_live_agent() -> None:
    hub = orchestrator(status=status(conditions=[{"type": "Ready", "status": "True"}]), spec={})
    assert found(hub) == (State.OK, [])
    bad = [{"type": "Ready", "status": "False", "reason": "HubAway", "message": "m"}]
    assert found(orchestrator(status=status(conditions=bad), spec={})) == (
        State.PROBLEM,
        [("Ready", "HubAway")],
    )


def test_problems_come_first() -> None:
    given = [
        orchestrator("a", status=status()),
        orchestrator("b"),
        orchestrator("c", status=status(**refusal())),
    ]
    found = ordered(map(summary, given))
    assert [one.key.name for one in found] == ["c", "b", "a"]
    assert not all_well(found)
    assert all_well(found[2:])


HOSTILE = "a\x1b[31m\x9b0m\u202eb\x07\u2066c\nd[bold]"


def test_no_text_keeps_control_characters_or_bidi() -> None:
    bad = {
        "peer": HOSTILE,
        "reason": HOSTILE,
        "message": HOSTILE,
        "where": HOSTILE,
        "source": HOSTILE,
    }
    given = status(
        refused=[bad], problems=[bad], offered=[bad], runtime=HOSTILE, held=HOSTILE, refusedPeers=1
    )
    given["replicas"] = {HOSTILE: failing(runtime=HOSTILE, message=HOSTILE)}
    given["conditions"] = [
        {"type": HOSTILE, "status": "False", "reason": HOSTILE, "message": HOSTILE}
    ]
    said = overview_document([summary(orchestrator(HOSTILE, HOSTILE, status=given))])
    text = json.dumps(said, ensure_ascii=False)
    assert not {"\x1b", "\x9b", "\u202e", "\x07", "\u2066", "\\u001b", "\\n"} & set(text)
    assert "\\u00" not in text
    assert "\\n" not in text
    assert "abc d[bold]" in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*sorted(status()), "time", "peer", "live"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(sorted(status())))
def test_no_shape_of_a_status_is_an_error(value: object, field: str) -> None:
    json.dumps(overview_document([summary(orchestrator(status={**status(), field: value}))]))
    json.dumps(overview_document([summary(value)]))
