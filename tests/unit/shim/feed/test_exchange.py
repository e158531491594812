"""Requests against raw answers: what a proxy, a load balancer or another server may send."""

import itertools
import socket
import threading

import pytest
import trustme

from hotpeers_shim.contract import MAX_FILE_BYTES
from hotpeers_shim.feed import clock, exchange, wire
from hotpeers_shim.feed.exchange import Exchange, FetchError
from kit.feed import TOKEN, answer, peer_list
from kit.proxying import forward_proxy
from kit.servers import server_context

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LIST = peer_list(1, "weather")


def chunked(*pieces, end=b"0\r\n\r\n"):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) + end


@pytest.fixture
def ask(start):
    """Ask a server that answers with these bytes."""

    def run(reply, **settings):
        feed = start(reply=lambda _: reply)
        client = Exchange(feed.url, environ={}, **settings)
        try:
            return client.get(HEADERS, 0.0)
        finally:
            client.close()

    return run


def test_request_is_as_the_contract_says(start):
    feed = start()
    client = Exchange(f"{feed.url}?of=boss#part", environ={})
    found = client.get({**HEADERS, "Prefer": "wait=5"}, 5.0)
    assert (found.status, found.body, found.headers["etag"]) == (200, LIST, feed.etag)
    (request,) = feed.seen
    assert request.line == "GET /v1/peers?of=boss HTTP/1.1"
    assert request.headers == {
        "host": f"127.0.0.1:{feed.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {TOKEN}",
        "prefer": "wait=5",
    }
    client.close()


def test_connection_is_kept_for_the_next_request(start):
    feed = start()
    client = Exchange(feed.url, environ={})
    client.get(HEADERS, 0.0)
    assert client.get({**HEADERS, "If-None-Match": feed.etag}, 0.0).status == 304
    assert client.get(HEADERS, 0.0).body == LIST
    assert [one.connection for one in feed.seen] == [1, 1, 1]
    client.close()


def test_connection_that_the_server_closed_is_replaced_without_an_error(start):
    feed = start(
        reply=lambda request: answer(200, LIST) if request.connection < 3 else None
    )  # says keep-alive by its version, and closes
    client = Exchange(feed.url, environ={})
    for _ in range(3):
        assert client.get(HEADERS, 0.0).body == LIST
    assert [one.connection for one in feed.seen] == [1, 2, 3]
    client.close()


def test_connection_from_before_a_jump_is_not_used_again(start, monkeypatch):
    feed = start()
    client = Exchange(feed.url, environ={})
    client.get(HEADERS, 0.0)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real()._replace(wall=real().wall + 7200))
    client.get(HEADERS, 0.0)
    assert [one.connection for one in feed.seen] == [1, 2]
    client.close()


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, LIST),
        chunked(LIST[:10], LIST[10:]),
        b"HTTP/1.0 200 OK\r\n\r\n" + LIST,
        b"HTTP/1.1 200\r\nContent-Length: %d\r\nContent-Encoding: identity\r\n\r\n" % len(LIST)
        + LIST,
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, LIST),
    ],
)
def test_each_form_of_a_body_is_read(ask, reply):
    assert ask(reply).body == LIST


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"", "closed before an answer"),
        (answer(200, LIST)[:-7], "too early"),
        (chunked(LIST[:10], end=b""), "too early"),
        (chunked(LIST[:10], end=b"zz\r\n"), "too early"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "SSH-2.0"),
        (b"\0" * 500, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "header line"),
        (answer(200, b"\x1f\x8b", Content_Encoding="gzip"), "compressed as 'gzip'"),
    ],
)
def test_broken_answer_is_an_error_in_words(ask, reply, says):
    with pytest.raises(FetchError) as caught:
        ask(reply)
    assert says in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_reading_stops_behind_the_limit_of_a_file(ask):
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (MAX_FILE_BYTES + 500_000)
    assert len(ask(endless).body) == MAX_FILE_BYTES + 1


@pytest.mark.parametrize("status", [204, 206, 301, 307, 401, 403, 404, 429, 500, 503])
def test_other_answers_are_returned_and_their_bodies_ignored(ask, status):
    found = ask(answer(status, b"x" * 100, Location="http://elsewhere/", Retry_After="5"))
    assert (found.status, found.body) == (status, b"")
    assert found.headers["retry-after"] == "5"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(start, status):
    elsewhere = start()
    feed = start(reply=lambda _: answer(status, LIST, Location=elsewhere.url))
    assert Exchange(feed.url, environ={}).get(HEADERS, 0.0).status == status
    assert elsewhere.seen == []


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "endless",
    [
        HEAD + b"-1\r\n" + b" " * 2_000_000,
        HEAD + b"1\r\n \r\n" * 300_000,
        HEAD + b"0\r\n" + b"X: y\r\n" * 300_000,
        HEAD + b"1;" + b"x" * 60_000 + b"\r\n \r\n" + (b"1;" + b"x" * 60_000 + b"\r\n \r\n") * 30,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 80_000,
    ],
    ids=["chunk of -1", "small chunks", "trailers", "chunk extensions", "interim answers"],
)
def test_endless_framing_is_given_up_behind_a_limit(ask, monkeypatch, endless):
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 500_000)
    taken = []
    real = wire.Wire.__init__

    def watched(self, connection):
        real(self, connection)
        taken.append(self)

    monkeypatch.setattr(wire.Wire, "__init__", watched)
    with pytest.raises(FetchError, match="has more than"):
        ask(endless)
    (used,) = taken
    # The last piece that was read may exceed the limit.
    assert used.budget > -100_000


def test_body_of_an_answer_that_has_none_does_not_spoil_the_next(start):
    stray = answer(304, b"x" * 30_000, Connection="keep-alive")
    feed = start(reply=lambda _: stray if len(feed.seen) == 2 else None)
    client = Exchange(feed.url, environ={})
    assert client.get(HEADERS, 0.0).body == LIST
    assert client.get(HEADERS, 0.0).status == 304
    assert client.get(HEADERS, 0.0).body == LIST
    client.close()


def test_silent_server_is_given_up(start, monkeypatch):
    monkeypatch.setattr(exchange, "GRACE_SECONDS", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(FetchError, match="in time"):
        Exchange(f"http://127.0.0.1:{silent.getsockname()[1]}/", environ={}).get(HEADERS, 0.1)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_trickling_server_is_given_up(monkeypatch, begun):
    monkeypatch.setattr(exchange, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.3)
    done = threading.Event()

    def trickle(server):
        connection, _ = server.accept()
        with connection:
            connection.sendall(begun)
            while not done.wait(0.02):
                try:
                    connection.sendall(b"y")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        try:
            with pytest.raises(FetchError, match="in time"):
                Exchange(f"http://127.0.0.1:{server.getsockname()[1]}/", environ={}).get({}, 0.0)
        finally:
            done.set()
            thread.join(30)


def test_wait_ends_at_once_when_a_clock_jumped(start, monkeypatch):
    feed = start()
    client = Exchange(feed.url, environ={})
    client.get(HEADERS, 0.0)
    real, ahead = clock.now, itertools.count(0, 3600)
    monkeypatch.setattr(
        clock,
        "now",
        lambda: real()._replace(wall=real().wall + (next(ahead) if feed.holding else 0)),
    )
    with pytest.raises(wire.StoodStillError):
        client.get({**HEADERS, "If-None-Match": feed.etag, "Prefer": "wait=60"}, 60.0)
    monkeypatch.undo()
    assert client.get(HEADERS, 0.0).status == 200
    assert feed.seen[-1].connection == 2
    client.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://hub/", "http or https"),
        ("hub:8080/v1/peers", "http or https"),
        ("http://", "http or https"),
        ("http://user:tiger@hub/", "HOTPEERS_PEERS_TOKEN"),
        ("http://hub:99999/", "not a URL"),
        ("http://hub/a b", "characters"),
        ("http://hub/\u00e4", "characters"),
        ("http://[::1/", "not a URL"),
    ],
)
def test_unusable_url_is_refused_in_words(url, says):
    with pytest.raises(FetchError, match=says) as caught:
        Exchange(url, environ={})
    assert "tiger" not in str(caught.value)


def test_unknown_host_and_closed_port_are_errors(start):
    with pytest.raises(FetchError, match=r"\w"):
        Exchange("http://none.invalid/", environ={}).get({}, 0.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(FetchError, match="refused"):
        Exchange(f"http://127.0.0.1:{port}/", environ={}).get({}, 0.0)


@pytest.fixture
def authority(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


def test_tls_is_verified_with_the_given_ca_only(start, authority, tmp_path):
    feed = start()
    feed.secure(server_context(authority))
    client = Exchange(feed.url, ca_file=tmp_path / "ca.pem", environ={})
    assert client.get(HEADERS, 0.0).body == LIST
    client.close()
    with pytest.raises(FetchError, match="not trusted by the system's CAs"):
        Exchange(feed.url, environ={}).get(HEADERS, 0.0)
    with pytest.raises(FetchError, match="HOTPEERS_PEERS_CA_FILE"):
        Exchange(feed.url, ca_file=tmp_path / "none", environ={}).get(HEADERS, 0.0)
    other = start()
    other.secure(server_context(authority, name="elsewhere.example"))
    with pytest.raises(FetchError, match="not trusted"):
        Exchange(other.url, ca_file=tmp_path / "ca.pem", environ={}).get(HEADERS, 0.0)
    assert [one for one in other.seen if "authorization" in one.headers] == []


async def test_proxy_of_the_environment_is_used(start):
    import asyncio

    feed = start()
    async with forward_proxy(feed.url) as proxy:
        through = proxy.url.replace("://", "://who:se%20cret@")
        client = Exchange(
            "http://hub.example/v1/peers",
            environ={"http_proxy": through, "no_proxy": "other.example"},
        )
        found = await asyncio.to_thread(client.get, HEADERS, 0.0)
        client.close()
        assert found.body == LIST
        assert proxy.asked == ["GET http://hub.example/v1/peers HTTP/1.1"]
        assert proxy.credentials == ["Proxy-Authorization: Basic d2hvOnNlIGNyZXQ="]
        direct = Exchange(feed.url, environ={"http_proxy": "http://127.0.0.1:1"})
        assert (await asyncio.to_thread(direct.get, HEADERS, 0.0)).body == LIST
        direct.close()


async def test_proxy_gets_a_tunnel_for_https_and_never_the_token(start, authority, tmp_path):
    import asyncio

    feed = start()
    feed.secure(server_context(authority, name="hub.example"))
    async with forward_proxy(feed.url) as proxy:
        client = Exchange(
            "https://hub.example/v1/peers",
            ca_file=tmp_path / "ca.pem",
            environ={"HTTPS_PROXY": proxy.url},
        )
        assert (await asyncio.to_thread(client.get, HEADERS, 0.0)).body == LIST
        client.close()
        assert proxy.asked == ["CONNECT hub.example:443 HTTP/1.1"]
    async with forward_proxy(feed.url, "407 No") as proxy:
        client = Exchange("https://hub.example/", environ={"HTTPS_PROXY": proxy.url})
        with pytest.raises(FetchError, match="407"):
            await asyncio.to_thread(client.get, HEADERS, 0.0)


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "https://proxy:3128"])
def test_proxy_that_cannot_be_used_is_an_error(proxy):
    with pytest.raises(FetchError, match="cannot be used"):
        Exchange("https://hub.example/", environ={"https_proxy": proxy}).get({}, 0.0)
