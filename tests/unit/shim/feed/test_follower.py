"""The thread against a raw server: the file follows the list, and keeps the last good one."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hotpeers_shim.contract import MAX_FILE_BYTES, PeerFile, load_peer_file
from hotpeers_shim.feed import backoff, follower
from hotpeers_shim.feed.follower import Follower
from hotpeers_shim.reader import PeerReader
from hotpeers_shim.settings import Settings
from kit.feed import TOKEN, Feed, answer, peer_list
from kit.waiting import until


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Seconds between tries are tested elsewhere."""
    monkeypatch.setattr(backoff, "FIRST", 0.02)
    monkeypatch.setattr(backoff, "LONGEST", 0.05)
    monkeypatch.setattr(follower, "PERIOD", 0.05)
    monkeypatch.setattr(follower, "SETTLE", 0.01)
    monkeypatch.setattr(follower, "LOOK_SECONDS", 0.02)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "peers.json"


Run = Callable[..., threading.Thread]


@pytest.fixture
def run(path) -> Iterator[Run]:
    """Follow a server; returns when nothing is awaited any more."""
    running = []

    def start_one(feed, changed=lambda: None, **settings):
        known = {"peers_url": feed.url, "peers_token": TOKEN, "peers_wait": 20.0, **settings}
        one = Follower(
            Settings(peer_file=path, ack_dir=path.parent, **known), PeerReader(path), changed
        )
        thread = threading.Thread(target=one.run, daemon=True)
        thread.start()
        running.append((one, thread, feed))
        return thread

    yield start_one
    for one, _, _ in running:
        one.stop()
    for _, thread, feed in running:
        feed.close()
        thread.join(30)
        assert not thread.is_alive()


def names(path):
    try:
        file = load_peer_file(path.read_bytes())
    except OSError:
        return None
    return [peer.name for peer in file.peers] if isinstance(file, PeerFile) else None


def asked(feed: Feed, more: int = 3) -> None:
    """Wait until the server has answered more requests, so that what must not happen could."""
    count = len(feed.seen) + more
    until("more requests", lambda: len(feed.seen) >= count)


def test_list_is_written_and_each_change_follows_at_once(start, run, path):
    feed, changes = start(), []
    run(feed, lambda: changes.append(names(path)))
    until("the list", lambda: names(path) == ["weather"])
    until("a held request", lambda: feed.holding)
    for generation in range(2, 7):
        feed.put(peer_list(generation, "weather", f"news-{generation}"))
        until("the change", lambda g=generation: names(path) == ["weather", f"news-{g}"])
    assert path.read_bytes() == feed.body
    until("each change", lambda: len(changes) == 6)
    until("a held request", lambda: feed.holding)
    assert feed.seen[-1].headers["if-none-match"] == feed.etag
    assert feed.seen[-1].headers["prefer"] == "wait=20"


def test_restart_begins_with_the_file_and_asks_with_its_tag(start, run, path):
    path.write_bytes(peer_list(1, "weather"))
    feed, before = start(), path.stat()
    run(feed)
    until("a held request", lambda: feed.holding)
    assert feed.seen[0].headers["if-none-match"] == feed.etag
    assert path.stat().st_ino == before.st_ino
    feed.put(peer_list(2))
    until("the change", lambda: names(path) == [])


@pytest.mark.parametrize("broken", [b"{", b"", None])
def test_broken_file_is_repaired(start, run, path, broken):
    feed = start()
    run(feed, peers_wait=1.0)
    until("a held request", lambda: feed.holding)
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)
    until("the list", lambda: names(path) == ["weather"])


BAD = [
    b"",
    b"{",
    b"<html>log in</html>",
    peer_list(5, "weather", "evil")[:-20],
    peer_list(5, "weather", peers="all"),
    peer_list(5, "a", "a"),
    b" " * (MAX_FILE_BYTES + 10),
    peer_list(5, "evil", apiVersion="hotpeers.dev/v9"),
    b'{"peers": [{"name": "evil", "url": "file:///etc/passwd"}]}',
]


@pytest.mark.parametrize("body", BAD)
@pytest.mark.filterwarnings("ignore")
def test_bad_list_never_replaces_the_file(start, run, path, caplog, body):
    path.write_bytes(peer_list(1, "weather"))
    feed = start(body=peer_list(2, "weather", "news"), reply=lambda _: answer(200, body))
    with caplog.at_level(logging.INFO, "hotpeers_shim"):
        run(feed)
        asked(feed, 4)
        assert path.read_bytes() == peer_list(1, "weather")
        warnings = [one for one in caplog.messages if "cannot be followed" in one]
        assert len(warnings) == 1
        assert "1 peers of generation 1 stay live" in warnings[0]
        feed.reply = None
        until("the good list", lambda: names(path) == ["weather", "news"])
        until("a word of it", lambda: any("followed again" in one for one in caplog.messages))


@pytest.mark.parametrize(
    "reply",
    [
        answer(401, b""),
        answer(403, b""),
        answer(404, b""),
        answer(500, b""),
        answer(503, b"", Retry_After="1"),
        answer(302, b"", Location="http://127.0.0.1:1/"),
        answer(204, None),
        answer(200, peer_list(9, "evil")[:50], Content_Length="5000"),
        b"",
        b"nonsense\r\n\r\n",
        answer(200, peer_list(9, "evil"), Content_Encoding="br"),
    ],
)
def test_refusals_keep_the_file_and_are_logged_once(start, run, path, caplog, reply):
    path.write_bytes(peer_list(1, "weather"))
    feed = start(reply=lambda _: reply, body=peer_list(1, "weather"))
    with caplog.at_level(logging.INFO, "hotpeers_shim"):
        run(feed)
        asked(feed, 2)
        feed.reply = None
        until("a word of it", lambda: any("followed again" in one for one in caplog.messages))
    assert path.read_bytes() == peer_list(1, "weather")
    assert sum("cannot be followed" in one for one in caplog.messages) == 1
    assert TOKEN not in caplog.text


def test_token_that_a_server_repeats_is_not_logged(start, run, caplog):
    feed = start(reply=lambda r: f"{r.headers['authorization']}\r\n\r\n".encode())
    run(feed)
    until("a warning", lambda: "cannot be followed" in caplog.text)
    assert TOKEN not in caplog.text


def test_beginning_of_the_token_in_a_text_that_is_cut_is_not_logged(start, run, caplog):
    cut = f"http://elsewhere/{'x' * 170}{TOKEN}"
    feed = start(reply=lambda _: answer(302, b"", Location=cut))
    run(feed)
    until("a warning", lambda: "cannot be followed" in caplog.text)
    assert "http://elsewhere/" in caplog.text
    assert TOKEN[:8] not in caplog.text


def test_server_that_is_busy_for_long_is_a_problem(start, run, path, caplog):
    path.write_bytes(peer_list(1, "weather"))
    busy = answer(429, b"", Retry_After="120")
    run(start(reply=lambda request: busy if "prefer" in request.headers else None))
    until("a warning", lambda: "it gets too many requests; 1 peers" in caplog.text)


def test_rotated_token_is_used_with_the_next_request(start, run, path, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    feed = start()
    run(feed, peers_token_file=token)
    asked(feed)
    assert names(path) is None
    token.write_text(f"{TOKEN}\n")
    until("the list", lambda: names(path) == ["weather"])


def test_busy_server_is_no_problem_but_asked_again(start, run, path, caplog):
    path.write_bytes(peer_list(1, "weather"))
    busy = answer(429, b"", Retry_After="0")
    feed = start(reply=lambda r: busy if "prefer" in r.headers and len(feed.seen) < 3 else None)
    run(feed)
    until("a held request", lambda: feed.holding)
    assert "cannot be followed" not in caplog.text


def test_server_that_is_always_busy_is_a_problem(start, run, path, caplog):
    path.write_bytes(peer_list(1, "weather"))
    feed = start(reply=lambda _: answer(429, b"", Retry_After="0"), body=peer_list(2, "news"))
    run(feed)
    until("a warning", lambda: "it gets too many requests; 1 peers" in caplog.text)
    feed.reply = None
    until("the list", lambda: names(path) == ["news"])


@pytest.mark.parametrize("ends", [answer(504, b""), answer(408, b""), b""])
def test_proxy_that_ends_long_waits_is_followed_without_a_word(start, run, path, caplog, ends):
    limit = 0.5

    def reply(request):
        wait = float(request.headers.get("prefer", "wait=0").removeprefix("wait="))
        if request.headers.get("if-none-match") != feed.etag or not wait:
            return None
        return None if feed.wait_for_change(limit) else ends

    feed = start(reply=reply)
    run(feed)
    until("several waits", lambda: sum("prefer" in one.headers for one in feed.seen) > 3)
    feed.put(peer_list(2, "news"))
    until("the change", lambda: names(path) == ["news"])
    assert "cannot be followed" not in caplog.text
    if ends:
        assert feed.seen[-1].headers.get("prefer", "wait=1") == "wait=1"


@pytest.mark.parametrize("status", [408, 504])
def test_server_that_is_always_too_slow_is_a_problem(start, run, path, caplog, status):
    path.write_bytes(peer_list(1, "weather"))
    run(start(reply=lambda _: answer(status, b"")))
    until("a warning", lambda: f"it answered {status}; 1 peers" in caplog.text)


def test_problem_is_noted_until_it_is_solved(start, path):
    noted = []
    feed = start(reply=lambda _: answer(401, b""))
    settings = Settings(path, path.parent, peers_url=feed.url, peers_token=TOKEN)
    one = Follower(settings, PeerReader(path), lambda: None, lambda *what: noted.append(what))
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    until("a problem", lambda: noted)
    feed.reply = None
    until("its end", lambda: noted[-1] == (feed.url, ""))
    one.stop()
    feed.close()
    thread.join(30)
    assert noted[0][0] == feed.url
    assert noted[0][1].startswith("it answered 401: the token is missing or wrong")


def test_server_that_cannot_wait_is_asked_in_periods(start, run, path, monkeypatch):
    monkeypatch.setattr(follower, "PERIOD", 0.4)
    feed = start(reply=lambda r: _without_waiting(feed, r))
    run(feed)
    until("the list", lambda: names(path) == ["weather"])
    feed.put(peer_list(2, "news"))
    until("the change", lambda: names(path) == ["news"])
    count, began = len(feed.seen), time.monotonic()
    asked(feed, 3)
    assert (time.monotonic() - began) / (len(feed.seen) - count) > 0.2


def _without_waiting(feed, request):
    if request.headers.get("if-none-match") == feed.etag:
        return answer(304, None, Connection="keep-alive")
    return answer(200, feed.body, ETag=feed.etag, Connection="keep-alive")


def test_server_without_tags_is_followed_too(start, run, path):
    feed = start(etags=False, reply=lambda _: answer(200, feed.body))
    run(feed)
    until("the list", lambda: names(path) == ["weather"])
    before = path.stat().st_ino
    asked(feed)
    assert path.stat().st_ino == before
    feed.put(peer_list(2, "news"))
    until("the change", lambda: names(path) == ["news"])


def test_tag_of_a_proxy_is_sent_back_as_it_came(start, run, path):
    def weak(request):
        if request.headers.get("if-none-match") == 'W/"own-tag-gzip"':
            return answer(304, None)
        return answer(200, feed.body, ETag='W/"own-tag-gzip"')

    feed = start(reply=weak)
    run(feed)
    until("a known tag", lambda: _tags(feed)[-1:] == ['W/"own-tag-gzip"'])
    assert names(path) == ["weather"]


def test_tag_is_kept_if_a_304_has_none(start, run, path):
    own = 'W/"own-tag"'

    def bare(request):
        if request.headers.get("if-none-match") == own:
            return answer(304, None, Connection="keep-alive")
        return answer(200, feed.body, ETag=own, Connection="keep-alive")

    feed = start(reply=bare)
    run(feed)
    asked(feed, 5)
    assert set(_tags(feed)[1:]) == {own}
    assert names(path) == ["weather"]


def _tags(feed):
    return [request.headers.get("if-none-match", "") for request in feed.seen]


def test_older_list_of_a_lagging_replica_is_not_taken(start, run, path):
    path.write_bytes(peer_list(10, "weather"))
    lagging = answer(200, peer_list(9, "old"), ETag='"x"')
    good = start(body=peer_list(11, "weather", "news"), reply=lambda _: lagging)
    run(good)
    asked(good, 4)
    assert names(path) == ["weather"]
    assert len({request.connection for request in good.seen}) >= 4
    good.reply = None
    until("the newer list", lambda: names(path) == ["weather", "news"])


def test_new_hub_that_counts_from_one_is_taken_after_a_while(start, run, path, monkeypatch, caplog):
    monkeypatch.setattr(follower, "STALE_SECONDS", 0.3)
    path.write_bytes(peer_list(10, "weather"))
    feed = start(body=peer_list(1, "fresh"))
    run(feed)
    until("the list of the new hub", lambda: names(path) == ["fresh"])
    assert "only lists older than generation 10" in caplog.text
    assert any("if-none-match" in one.headers for one in feed.seen[:3])


def test_file_that_cannot_be_written_is_a_problem_until_it_can(start, run, path, caplog):
    path.mkdir()
    feed = start()
    run(feed)
    until("a warning", lambda: "set HOTPEERS_PEER_FILE" in caplog.text)
    asked(feed)
    until("nothing left behind", lambda: not list(path.parent.glob(".*.tmp")))
    path.rmdir()
    until("the list", lambda: names(path) == ["weather"])


def test_one_of_two_followers_asks_and_the_other_takes_over(start, run, path):
    feed, second = start(), start(body=peer_list(2, "second"))
    first = Follower(
        Settings(path, path.parent, peers_url=feed.url, peers_token=TOKEN, peers_wait=1.0),
        PeerReader(path),
        lambda: None,
    )
    thread = threading.Thread(target=first.run, daemon=True)
    thread.start()
    until("a held request", lambda: feed.holding)
    run(second)
    asked(feed, 1)
    assert second.seen == []
    first.stop()
    thread.join(30)
    until("the list of the other", lambda: names(path) == ["second"])


@pytest.mark.parametrize("url", ["ftp://hub/", "http://user:secret@hub/", "http://none.invalid/"])
def test_unusable_url_is_logged_and_stops_nothing(run, start, path, caplog, url):
    feed = start()
    run(feed, peers_url=url)
    until("a warning", lambda: "cannot be followed" in caplog.text)
    assert "secret" not in caplog.text
    assert names(path) is None


def test_large_list_is_written_as_it_is(start, run, path):
    feed = start(body=peer_list(1, *(f"peer-{n}" for n in range(5_000))))
    run(feed)
    until("the list", lambda: names(path) is not None)
    assert path.read_bytes() == feed.body
    assert len(json.loads(feed.body)["peers"]) == 5_000
