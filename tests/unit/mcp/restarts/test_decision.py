"""When the agent is restarted for a new configuration, and when not."""

from dataclasses import replace
from typing import Any

import pytest

from hotpeers.mcp.restarts.decision import (
    BACKOFF_SECONDS,
    QUIET_SECONDS,
    SETTLE_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
    UNSEEN_SECONDS,
    Request,
    Seen,
    Step,
    decide,
)

NOW = 10_000.0
LIVE = Seen(now=NOW, newest="a", folder="a", running="a", good="a", wanted="a", age=100.0)
CHANGED = replace(LIVE, newest="b", folder="b", wanted="b", idle=QUIET_SECONDS)
ASKED = replace(CHANGED, request=Request("b", NOW - 1), sign=True)
TAKEN = replace(ASKED, sign=False, idle=None)


def step(seen: Seen, **more: Any) -> Step:
    return decide(replace(seen, **more)).step


def test_agent_with_the_newest_files_is_not_restarted() -> None:
    assert step(LIVE) is Step.LIVE
    assert step(LIVE, idle=1000.0) is Step.LIVE


def test_idle_agent_is_restarted_for_new_files() -> None:
    assert step(CHANGED) is Step.ASK
    assert step(CHANGED, running="", good="") is Step.ASK


def test_idle_agent_is_restarted_for_a_rotated_secret() -> None:
    assert step(LIVE, proven=False, idle=QUIET_SECONDS) is Step.ASK


def test_turn_in_flight_is_waited_for() -> None:
    found = decide(replace(CHANGED, idle=None))
    assert (found.step, found.why) == (Step.WAIT, "a turn is in flight")
    assert step(CHANGED, idle=QUIET_SECONDS - 0.1) is Step.WAIT


def test_burst_of_edits_is_waited_for() -> None:
    assert step(CHANGED, age=SETTLE_SECONDS - 0.1) is Step.WAIT


def test_agent_that_has_just_started_is_not_restarted() -> None:
    assert step(CHANGED, steady=False) is Step.STARTING
    assert step(CHANGED, steady=False, listening=False) is Step.STARTING


def test_one_configuration_is_asked_for_once() -> None:
    assert step(CHANGED, tried="b") is Step.NEEDS_POD
    assert step(CHANGED, tried="a") is Step.ASK


def test_second_restart_within_the_backoff_of_kubelet_is_left_to_a_rollout() -> None:
    assert step(CHANGED, restarted=NOW - BACKOFF_SECONDS + 1) is Step.NEEDS_POD
    assert step(CHANGED, restarted=NOW - BACKOFF_SECONDS) is Step.ASK


def test_skills_need_a_new_pod() -> None:
    found = decide(replace(LIVE, skills_changed=True, idle=1000.0))
    assert (found.step, found.restart) == (Step.NEEDS_POD, ("skills",))


def test_malformed_files_are_refused_without_a_restart() -> None:
    assert step(CHANGED, folder="a", valid=False) is Step.REFUSED


def test_request_stays_until_a_probe_finds_it() -> None:
    assert step(ASKED) is Step.ASKED
    assert step(TAKEN) is Step.ASKED


@pytest.mark.parametrize(
    "change", [{"idle": None}, {"idle": 0.1}, {"listening": False}, {"wanted": "c"}]
)
def test_request_is_taken_back_before_a_probe_finds_it(change: dict[str, Any]) -> None:
    assert step(ASKED, **change) is Step.WITHDRAW
    assert step(TAKEN, **change) is Step.ASKED


def test_request_that_kubelet_ignores_is_given_up() -> None:
    assert step(ASKED, now=NOW - 1 + UNSEEN_SECONDS) is Step.GIVE_UP
    assert step(TAKEN, now=NOW - 2 + STOP_SECONDS) is Step.ASKED
    assert step(TAKEN, now=NOW - 1 + STOP_SECONDS) is Step.GIVE_UP


def test_agent_that_does_not_start_gets_its_previous_files() -> None:
    down = replace(TAKEN, listening=False, steady=False, unsteady=START_SECONDS)
    assert step(down) is Step.ROLL_BACK
    assert step(down, unsteady=START_SECONDS - 1) is Step.ASKED
    assert step(down, listening=True) is Step.ROLL_BACK  # it starts and crashes, again and again
    assert step(down, good="") is Step.ASKED  # nothing is known to be good
    assert step(down, folder="a", request=None) is Step.STARTING
    assert step(down, request=None) is Step.ROLL_BACK


def test_files_that_the_agent_did_not_start_with_stay_refused() -> None:
    back = replace(CHANGED, folder="a", bad="b", idle=1000.0)
    assert step(back) is Step.REFUSED
    assert step(back, newest="c", folder="c", wanted="c", bad="") is Step.ASK
    assert step(back, newest="a", wanted="a", bad="") is Step.LIVE
