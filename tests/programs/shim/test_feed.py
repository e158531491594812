"""The peer list over HTTP in a real process: stopped and continued, forked, and behind a deaf network.

`Relay.deafen` is what a process sees that was restored in another place: its connections are open, and
nothing comes any more.
"""

import pytest

from kit.feed import TOKEN, Feed, Relay, peer_list
from kit.following import AGENT, JUMP_SECONDS, Following
from kit.waiting import until

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
def launch(tmp_path):
    started = []

    def start(port, code=AGENT, **env):
        settings = {"HOTPEERS_PEERS_TOKEN": TOKEN, **env}
        started.append(Following(tmp_path, f"http://127.0.0.1:{port}/v1/peers", code, **settings))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_process_that_was_stopped_has_the_current_list_within_seconds(launch, feed, relay):
    agent = launch(relay.port)
    until("the list", lambda: agent.names() == ["weather"])
    until("a held request", lambda: feed.holding)
    stopped, count = agent.stop(), len(feed.seen)
    relay.deafen()
    feed.put(peer_list(2, "news"))
    agent.resume(stopped)
    # A held request would go on for more than a minute.
    until("the current list", lambda: agent.names() == ["news"], 20)
    first = feed.seen[count]
    assert first.connection == 2
    assert first.time - stopped > JUMP_SECONDS


def test_process_that_was_stopped_during_a_back_off_asks_at_once(launch, feed):
    feed.reply = lambda _: b"HTTP/1.1 503 No\r\nRetry-After: 300\r\n\r\n"
    agent = launch(feed.port)
    until("a word of it", lambda: "it answered 503" in agent.log())
    until("a word in the ack", agent.problem)
    stopped = agent.stop()
    feed.reply = None
    agent.resume(stopped)
    until("the list", lambda: agent.is_live("weather"), 20)
    until("no word in the ack", lambda: not agent.problem())


def test_connection_that_leads_nowhere_is_replaced_after_the_wait(launch, feed, relay):
    agent = launch(relay.port, HOTPEERS_PEERS_WAIT="1")
    until("a held request", lambda: feed.holding)
    relay.deafen()
    feed.put(peer_list(2, "news"))
    until("the current list", lambda: agent.names() == ["news"])


def test_restart_begins_with_the_last_good_list_while_the_hub_is_away(launch, feed):
    first = launch(feed.port)
    until("the list", lambda: first.names() == ["weather"])
    first.kill()
    feed.close()
    second = launch(feed.port)
    until("the list", lambda: second.is_live("weather"))
    until("a word of it", lambda: "1 peers of generation 1 stay live" in second.log())
    until("a word in the ack", lambda: "refused" in second.problem())
    back = Feed(peer_list(2, "news"))
    third = launch(back.port)
    second.kill()
    until("the current list", lambda: third.is_live("news"))
    back.close()


def test_forked_child_follows_after_its_parent(launch, feed):
    agent = launch(feed.port, FORKS)
    parent = agent.process
    assert parent.stdout.readline() == "begun\n"
    until("a held request", lambda: feed.holding)
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "child\n"
    parent.wait(30)
    feed.put(peer_list(2, "news"))
    until("the list of the child", lambda: agent.names() == ["news"])
    until("nothing left behind", lambda: len(list(agent.path.parent.glob(".*"))) == 1)


def test_several_processes_ask_once(launch, feed):
    agents = [launch(feed.port) for _ in range(4)]
    until("the list of each", lambda: all(one.is_live("weather") for one in agents))
    for generation in range(2, 6):
        until("a held request", lambda: feed.holding == 1)
        feed.put(peer_list(generation, f"news-{generation}"))
        until("the change", lambda g=generation: all(one.is_live(f"news-{g}") for one in agents))
    assert len({request.connection for request in feed.seen}) == 1


def test_token_is_in_no_file_and_in_no_log(launch, feed):
    feed.reply = lambda request: request.headers["authorization"].encode()
    agent = launch(feed.port)
    until("a word in the ack", agent.problem)
    until("a word of it", lambda: "cannot be followed" in agent.log())
    files = [one.read_text() for one in agent.path.parent.rglob("*") if one.is_file()]
    feed.reply = None
    until("the list", lambda: agent.is_live("weather"))
    files += [one.read_text() for one in agent.path.parent.rglob("*") if one.is_file()]
    assert not [text for text in (*files, agent.log()) if TOKEN in text]


def test_problems_are_logged_once_where_no_sidecar_reads_acks(launch, feed):
    feed.body = peer_list(1, "weather", "news")
    code = AGENT.replace(
        "live.start();",
        "s = live.get(); s.usable = lambda peer: peer.name != 'news'; live.start();"
        "s.note_taken('boss', frozenset({'team__NS__weather'}));",
    )
    agent = launch(feed.port, code)
    until("both problems", lambda: agent.log().count("team__NS__") == 2)
    assert "team__NS__weather: ToolNameTaken: The agent already has a tool" in agent.log()
    assert "team__NS__news: InterfaceUnsupported: " in agent.log()
    feed.put(peer_list(2, "weather", "news", "third"))
    until("the change", lambda: agent.is_live("weather", "news", "third"))
    assert agent.log().count("ToolNameTaken") == 1


def test_nothing_of_it_is_loaded_without_a_url(launch):
    code = (
        "from hotpeers_shim import live; live.start(); import sys;"
        "print([m for m in sys.modules if 'feed' in m])"
    )
    agent = launch(1, code, HOTPEERS_PEERS_URL="")
    assert agent.process.stdout.readline() == "[]\n"
