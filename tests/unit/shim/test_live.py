"""The process-wide state: acks without traffic, and faults that stay the shim's own."""

import json
import threading
import time

import pytest

from hotpeers_shim.contract import Ack, AckState, PeerProblem, dump_ack, load_ack
from hotpeers_shim.live import MAX_REFUSALS, Live
from hotpeers_shim.reader import LARGE_FILE_BYTES
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


def test_a_step_waits_for_the_thread_that_takes_the_change(path, live):
    """Its first look at an interface loads the A2A library, which takes a while."""
    looking, go_on = threading.Event(), threading.Event()

    def usable(_):
        looking.set()
        return go_on.wait(30)

    live.usable = usable
    write(path, 1, "weather")
    background = threading.Thread(target=live.catalog)
    background.start()
    assert looking.wait(30)
    found = []
    step = threading.Thread(target=lambda: found.append(live.catalog()))
    step.start()
    step.join(0.1)
    assert not found, "the step went on without the change"
    go_on.set()
    for thread in (background, step):
        thread.join(30)
    assert list(found[0].peers) == ["weather"]


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


@pytest.mark.parametrize(
    ("value", "limit"), [("", 64), ("128", 128), ("0", 64), ("-1", 64), ("many", 64)]
)
def test_limit_of_tools_is_read(value: str, limit: int) -> None:
    assert Settings.read({"HOTPEERS_MAX_TOOLS": value}).max_tools == limit


def test_pinned_peers_are_read() -> None:
    assert Settings.read({}).pinned_peers == ()
    read = Settings.read({"HOTPEERS_PINNED_PEERS": "team/a, billing/*,,b"})
    assert read.pinned_peers == ("team/a", "billing/*", "b")


def write_large(path, generation, *names):
    write(path, generation, *names, *(f"agent-{number}" for number in range(6_000)))
    assert path.stat().st_size > LARGE_FILE_BYTES


async def test_a_large_file_is_not_read_within_an_event_loop(path, live):
    write_large(path, 1)
    assert live.catalog().generation == 1, "there are no earlier peers to go on with"
    write_large(path, 2, "weather")
    assert live.catalog().generation == 1
    await live.refresh()
    assert "weather" in live.catalog().peers
    write(path, 3, "news")
    assert list(live.catalog().peers) == ["news"], "a small file is read at once"


async def test_the_thread_reads_a_large_file_without_being_asked(path, live):
    write_large(path, 1)
    live.start()
    live.catalog()
    write_large(path, 2, "weather")
    until("the peer", lambda: "weather" in live.catalog().peers)
    live.stop()


async def test_refresh_of_a_missing_or_bad_file_keeps_the_peers(path, live):
    write_large(path, 1, "weather")
    live.catalog()
    path.write_bytes(b"x" * 2 * LARGE_FILE_BYTES)
    await live.refresh()
    assert live.ack().reason == "NotJson"
    path.unlink()
    await live.refresh()
    assert "weather" in live.catalog().peers
