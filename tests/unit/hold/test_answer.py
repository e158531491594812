from typing import Any

import pytest

from hotpeers.hold.answer import Says, read_answer


def status(*configs: Any, **turns: Any) -> dict[str, Any]:
    acks = [{"pid": i, "config": one} for i, one in enumerate(configs)]
    return {"acks": acks, "turns": turns}


def config(state: str = "live", value: str = "7", **more: Any) -> dict[str, Any]:
    return {"state": state, "hash": value, "time": 1.0, **more}


def test_pod_is_live_only_when_all_its_processes_are() -> None:
    assert read_answer(status(config()), "7").says is Says.LIVE
    assert read_answer(status(config(), config()), "7").says is Says.LIVE
    assert read_answer(status(config(), config(value="6")), "7").says is Says.OTHER
    assert read_answer(status(config(), None), "7").says is Says.LIVE
    assert read_answer(status(), "7").says is Says.OTHER
    assert read_answer(status(config(value="")), "").says is not Says.REFUSED


def test_one_refusing_process_decides_for_the_pod() -> None:
    found = read_answer(status(config(), config("refused", reason="R", message="bad")), "7")
    assert (found.says, found.message) == (Says.REFUSED, "R: bad")
    found = read_answer(status(config("restart", restart=["stream", "memory"])), "7")
    assert (found.says, found.message) == (Says.RESTART, "stream, memory")


def test_refusal_of_an_older_file_is_ignored() -> None:
    for state in ("refused", "restart"):
        assert read_answer(status(config(state, seen="6")), "7").says is Says.OTHER
        assert read_answer(status(config(state, seen="7")), "7").says is Says(state)


def test_pod_that_waits_for_its_agent_says_so_only_about_the_wanted_files() -> None:
    found = read_answer(status(config("waiting", seen="7", message="a turn")), "7")
    assert (found.says, found.message) == (Says.WAITING, "a turn")
    for seen in ("6", ""):
        assert read_answer(status(config("waiting", seen=seen)), "7").says is Says.OTHER


def test_idle_is_known_only_without_turns() -> None:
    assert read_answer(status(active=0, idleSeconds=3), "").idle == 3.0
    for turns in ({"active": 1, "idleSeconds": 3}, {"active": 0}, {}, {"idleSeconds": 3}):
        assert read_answer(status(**turns), "").idle is None
    assert read_answer(status(active=False, idleSeconds=True), "").idle is None


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        {"acks": {}},
        {"acks": [None, 1, [], {"config": "live"}, {"config": []}]},
        {"acks": [{"config": {"state": ["live"], "hash": 7}}]},
        {"acks": [{"config": {}}] * 10_000},
        {"turns": []},
    ],
)
def test_pod_with_an_odd_status_is_not_live(document: Any) -> None:
    assert read_answer(document, "7").says is Says.OTHER


def test_message_is_cleaned_and_cut() -> None:
    found = read_answer(status(config("refused", message="\x1b[31m" + "x" * 10_000)), "7")
    assert len(found.message) <= 400
    assert "\x1b" not in found.message
