"""The peer list over HTTP in a real process: stopped and continued, forked, and behind a deaf network.

`Relay.deafen` is what a process sees that was restored in another place: its connections are open, and
nothing comes any more.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from hotpeers_shim.contract import PeerFile, load_peer_file
from kit.feed import TOKEN, Feed, Relay, peer_list
from kit.waiting import until

AGENT = "from hotpeers_shim import live; live.start(); import sys; sys.stdin.read()"
FORKS = """
import os, sys
from hotpeers_shim import live
live.start()
print("begun", flush=True)
sys.stdin.readline()
if not os.fork():
    live.start()
    print("child", flush=True)
    sys.stdin.read()
"""
JUMP_SECONDS = 3.0


@pytest.fixture
def feed():
    served = Feed(peer_list(1, "weather"))
    yield served
    served.close()


@pytest.fixture
def relay(feed):
    between = Relay(feed.port)
    yield between
    between.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hotpeers" / "peers.json"


@pytest.fixture
def launch(path, tmp_path):
    started = []

    def start(port, code=AGENT, **env):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
        environ |= {
            "HOTPEERS_PEER_FILE": str(path),
            "HOTPEERS_PEERS_URL": f"http://127.0.0.1:{port}/v1/peers",
            "HOTPEERS_PEERS_TOKEN": TOKEN,
            "HOTPEERS_PEERS_WAIT": "60",
            **env,
        }
        with (tmp_path / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        started.append(process)
        return process

    start.log = (tmp_path / "log").read_text
    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def names(path):
    try:
        file = load_peer_file(path.read_bytes())
    except OSError:
        return None
    assert isinstance(file, PeerFile), file
    return [peer.name for peer in file.peers]


def test_process_that_was_stopped_has_the_current_list_within_seconds(launch, feed, relay, path):
    process = launch(relay.port)
    until("the list", lambda: names(path) == ["weather"])
    until("a held request", lambda: feed.holding)
    process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    relay.deafen()
    feed.put(peer_list(2, "news"))
    until("a while", lambda: time.monotonic() - stopped > JUMP_SECONDS)
    assert names(path) == ["weather"]
    process.send_signal(signal.SIGCONT)
    # A held request would go on for more than a minute.
    until("the current list", lambda: names(path) == ["news"], 20)


def test_process_that_was_stopped_during_a_back_off_asks_at_once(launch, feed, path):
    feed.reply = lambda _: b"HTTP/1.1 503 No\r\nRetry-After: 300\r\n\r\n"
    process = launch(feed.port)
    until("a refused request", lambda: feed.seen)
    until("a word of it", lambda: "it answered 503" in launch.log())
    process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    feed.reply = None
    until("a while", lambda: time.monotonic() - stopped > JUMP_SECONDS)
    process.send_signal(signal.SIGCONT)
    until("the list", lambda: names(path) == ["weather"], 20)


def test_connection_that_leads_nowhere_is_replaced_after_the_wait(launch, feed, relay, path):
    launch(relay.port, HOTPEERS_PEERS_WAIT="1")
    until("a held request", lambda: feed.holding)
    relay.deafen()
    feed.put(peer_list(2, "news"))
    until("the current list", lambda: names(path) == ["news"])


def test_restart_begins_with_the_last_good_list_while_the_hub_is_away(launch, feed, path):
    first = launch(feed.port)
    until("the list", lambda: names(path) == ["weather"])
    first.kill()
    first.wait(30)
    feed.close()
    second = launch(feed.port)
    until("an ack", lambda: list(path.parent.glob("acks/ack-*.json")))
    until("a word of it", lambda: "1 peers of generation 1 stay live" in launch.log())
    assert names(path) == ["weather"]
    back = Feed(peer_list(2, "news"))
    launch(back.port)
    second.kill()
    until("the current list", lambda: names(path) == ["news"])
    back.close()


def test_forked_child_follows_after_its_parent(launch, feed, path):
    parent = launch(feed.port, FORKS)
    assert parent.stdout.readline() == "begun\n"
    until("a held request", lambda: feed.holding)
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "child\n"
    parent.wait(30)
    feed.put(peer_list(2, "news"))
    until("the list of the child", lambda: names(path) == ["news"])
    assert len(list(path.parent.glob(".*"))) == 1


def test_several_processes_ask_once(launch, feed, path):
    for _ in range(4):
        launch(feed.port)
    until("the list", lambda: names(path) == ["weather"])
    until("an ack of each", lambda: len(list(path.parent.glob("acks/ack-*.json"))) == 4)
    for generation in range(2, 6):
        until("a held request", lambda: feed.holding == 1)
        feed.put(peer_list(generation, f"news-{generation}"))
        until("the change", lambda g=generation: names(path) == [f"news-{g}"])
    assert len({request.connection for request in feed.seen}) == 1


def test_token_is_in_no_file_and_in_no_log(launch, feed, path):
    feed.reply = lambda request: request.headers["authorization"].encode()
    launch(feed.port)
    until("a word of it", lambda: "cannot be followed" in launch.log())
    feed.reply = None
    until("the list", lambda: names(path) == ["weather"])
    until("an ack", lambda: list(path.parent.glob("acks/ack-*.json")))
    written = [one.read_text() for one in path.parent.rglob("*") if one.is_file()]
    assert not [text for text in (*written, launch.log()) if TOKEN in text]


def test_problems_are_logged_once_where_no_sidecar_reads_acks(launch, feed, path):
    feed.body = peer_list(1, "weather", "news")
    code = AGENT.replace(
        "live.start();",
        "s = live.get(); s.usable = lambda peer: peer.name != 'news'; live.start();"
        "s.note_taken('boss', frozenset({'team__NS__weather'}));",
    )
    launch(feed.port, code)
    until("both problems", lambda: launch.log().count("team__NS__") == 2)
    assert "team__NS__weather: ToolNameTaken: The agent already has a tool" in launch.log()
    assert "team__NS__news: InterfaceUnsupported: " in launch.log()
    feed.put(peer_list(2, "weather", "news", "third"))
    until("the change", lambda: names(path) == ["weather", "news", "third"])
    assert launch.log().count("ToolNameTaken") == 1


def test_nothing_of_it_is_loaded_without_a_url(launch, path):
    code = (
        "from hotpeers_shim import live; live.start(); import sys;"
        "print([m for m in sys.modules if 'feed' in m])"
    )
    assert launch(1, code, HOTPEERS_PEERS_URL="").stdout.readline() == "[]\n"
