"""The process-wide state: acks without traffic, and faults that stay the shim's own."""

import json
import time

import pytest

from hotpeers_shim.contract import Ack, AckState, PeerProblem, dump_ack, load_ack
from hotpeers_shim.live import MAX_REFUSALS, Live
from hotpeers_shim.settings import Settings
from kit.waiting import TookTooLongError, until


def write(path, generation, *names):
    peers = [{"name": name, "url": "http://peer:8080"} for name in names]
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"generation": generation, "peers": peers}))
    temporary.replace(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "peers.json"


@pytest.fixture
def live(path, tmp_path):
    return Live(Settings(peer_file=path, ack_dir=tmp_path / "acks"))


def acked(tmp_path, check, within=60.0):
    """Wait for an ack that `check` holds for."""
    last = None

    def probe():
        nonlocal last
        for found in (tmp_path / "acks").glob("ack-*.json"):
            last = load_ack(found.read_bytes())
            assert isinstance(last, Ack), last
            if check(last):
                return last
        return None

    try:
        return until("such an ack", probe, within)
    except TookTooLongError as error:
        raise AssertionError(f"{error}; the last ack: {last}") from error


def test_a_change_is_acked_without_traffic(path, live, tmp_path):
    live.start()
    acked(tmp_path, lambda ack: ack.reason == "FileMissing")
    write(path, 7, "weather")
    ack = acked(tmp_path, lambda ack: ack.generation == 7)
    assert ack.state is AckState.ACTIVE
    assert ack.time == pytest.approx(time.time(), abs=60)
    assert "python" in ack.runtime


def test_a_refused_file_is_nacked_and_the_generation_stays(path, live, tmp_path):
    write(path, 3, "weather")
    live.start()
    acked(tmp_path, lambda ack: ack.generation == 3)
    path.write_text("{")
    ack = acked(tmp_path, lambda ack: ack.state is AckState.REFUSED)
    assert (ack.reason, ack.generation) == ("NotJson", 3)
    assert "line 1" in ack.message
    write(path, 4, "news")
    assert acked(tmp_path, lambda ack: ack.generation == 4).state is AckState.ACTIVE


def test_taken_tool_name_is_refused_in_the_ack_while_it_is_taken(path, live):
    write(path, 1, "weather", "news")
    live.catalog()
    live.note_taken("boss", frozenset({"weather"}))
    (refusal,) = live.ack().refusals
    assert (refusal.subject, refusal.reason) == ("weather", "ToolNameTaken")
    live.note_taken("boss", frozenset())
    assert live.ack().refusals == ()


def test_fault_is_reported_in_the_ack(live):
    live.note_error("hooking something", RuntimeError("no such attribute"))
    ack = live.ack()
    assert (ack.state, ack.reason) == (AckState.ERROR, "ShimFailed")
    assert ack.message == "hooking something: RuntimeError: no such attribute"


def test_a_missing_feature_and_a_fault_in_a_call_leave_the_ack_active(path, live):
    write(path, 1, "weather")
    live.catalog()
    live.note_missing("token propagation", AttributeError("no to_agent"))
    live.note_fault("weather", RuntimeError("bell \a"))
    ack = live.ack()
    assert (ack.state, ack.generation) == (AckState.ACTIVE, 1)
    assert [(r.subject, r.reason, r.message) for r in ack.refusals] == [
        ("token propagation", "FeatureMissing", "AttributeError: no to_agent"),
        ("weather", "ShimFault", "RuntimeError: bell"),
    ]
    live.clear_fault("weather")
    assert [r.subject for r in live.ack().refusals] == ["token propagation"]


def test_faults_are_listed_within_limits(path, live):
    for number in range(2 * MAX_REFUSALS):
        live.note_fault(f"peer{number}", RuntimeError("x" * 5_000))
    ack = live.ack()
    assert len(ack.refusals) == MAX_REFUSALS
    assert load_ack(dump_ack(ack)) == ack


def test_agent_that_takes_peers_again_is_removed_from_the_ack(live):
    live.note_skipped("boss", "its tools", PeerProblem.BUILT_IN_TOOL_ALONE)
    assert [r.reason for r in live.ack().refusals] == ["BuiltInToolAlone"]
    live.note_skipped("boss", "", PeerProblem.BUILT_IN_TOOL_ALONE)
    assert live.ack().refusals == ()


def test_hub_that_is_not_followed_is_named_in_the_ack_until_it_is(path, live):
    write(path, 1, "weather")
    live.catalog()
    live.note_feed("http://hub/v1/peers", "it answered 401")
    ack = live.ack()
    assert (ack.state, ack.generation) == (AckState.ACTIVE, 1)
    assert [(r.subject, r.reason, r.message) for r in ack.refusals] == [
        ("http://hub/v1/peers", "HubNotFollowed", "it answered 401")
    ]
    live.note_feed("http://hub/v1/peers", "")
    assert live.ack().refusals == ()


def test_unwritable_ack_folder_does_not_stop_the_agent(path, live, tmp_path):
    (tmp_path / "acks").write_text("a file in its place")
    write(path, 1, "weather")
    live.start()
    assert list(live.catalog().peers) == ["weather"]


def test_listeners_are_called_once_per_change(path, live):
    heard = []
    live.on_change.append(lambda catalog: heard.append(list(catalog.peers)))
    for generation, names in enumerate([["a"], ["a", "b"], []]):
        write(path, generation, *names)
        live.catalog()
        live.catalog()
    assert heard == [["a"], ["a", "b"], []]


def test_settings_are_read_from_the_environment():
    settings = Settings.read({"HOTPEERS_PEER_FILE": "/x/p.json", "HOTPEERS_CALL_TIMEOUT": "5"})
    assert str(settings.ack_dir) == "/x/acks"
    assert (settings.call_timeout, settings.idle_timeout) == (5.0, 300.0)


@pytest.mark.parametrize("value", ["", "soon", "-1", "0", "nan", "inf"])
def test_a_timeout_that_makes_no_sense_is_not_used(value):
    assert Settings.read({"HOTPEERS_CALL_TIMEOUT": value}).call_timeout == 600.0
