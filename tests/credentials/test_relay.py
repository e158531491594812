"""The relay: the key stays in the sidecar, and only the agent of the pod can call through it."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from credential_kit import Authority, Handler, Seen, serving
from hotpeers.credentials.document import Entry
from hotpeers.credentials.relay import MAX_REQUEST_BYTES, Relay
from hotpeers_shim.contract.credentials import RELAY_FAULT, RELAY_KEY, RELAY_MESSAGE, RELAY_TARGET
from hotpeers_shim.contract.prefixes import parse_prefix

AUTHORITY = Authority()
CERTIFICATE, KEY = AUTHORITY.client()


def entry(url: str, path: str = "") -> Entry:
    return Entry(parse_prefix(url + path), certificate=CERTIFICATE, key=KEY, ca=AUTHORITY.pem)


@contextlib.asynccontextmanager
async def relaying(*entries: Entry) -> AsyncIterator[Relay]:
    relay = Relay()
    await relay.serve(entries)
    try:
        yield relay
    finally:
        await relay.close()


@contextlib.asynccontextmanager
async def peer(handler: Handler) -> AsyncIterator[str]:
    async with serving(handler, AUTHORITY.server(clients=AUTHORITY)) as url:
        yield url


def headers(relay: Relay, url: str, **more: str) -> dict[str, str]:
    return {RELAY_KEY: relay.key, RELAY_TARGET: url, **more}


async def test_peer_sees_the_certificate_and_none_of_the_relays_headers() -> None:
    seen = Seen()
    async with peer(seen) as url, relaying(entry(url)) as relay, aiohttp.ClientSession() as session:
        told = headers(relay, url, Authorization="Bearer x", Connection="X-Hop", **{"X-Hop": "1"})
        async with session.post(
            URL(f"{relay.url}/a%20b?c=%2F", encoded=True), data=b"hello", headers=told
        ) as answer:
            assert answer.status == 200
            assert await answer.json() == {"path": "/a%20b?c=%2F", "body": "hello"}
    path, found = seen.requests[0]
    assert path == "/a%20b?c=%2F"
    assert "orchestrator@team" in seen.certificates[0]
    assert found["Host"] == url.removeprefix("https://")
    assert found["Authorization"] == "Bearer x"
    assert not {name.lower() for name in found} & {RELAY_KEY, RELAY_TARGET, "x-hop"}
    assert relay.key not in str(found)


@pytest.mark.parametrize("key", [None, "", "x", "é"])
async def test_caller_without_the_key_is_refused(key: str | None) -> None:
    seen = Seen()
    async with peer(seen) as url, relaying(entry(url)) as relay, aiohttp.ClientSession() as session:
        told = {RELAY_TARGET: url} | ({} if key is None else {RELAY_KEY: key})
        async with session.get(relay.url + "/", headers=told) as answer:
            assert answer.status == 403
            assert answer.headers[RELAY_FAULT] == "unsent"
    assert not seen.requests


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/teams",
        "/team/../x",
        "/team/%2e%2e/x",
        "/team%2fx",
        "/team//x",
        "/TEAM/x",
        "/x?/team/",
    ],
)
async def test_outside_of_the_prefix_nothing_is_called(path: str) -> None:
    seen = Seen()
    async with peer(seen) as url, relaying(entry(url, "/team")) as relay:
        assert await raw(relay, path, url) == 403
        assert await raw(relay, "/team/x", url) == 200
    assert [found for found, _ in seen.requests] == ["/team/x"]


@pytest.mark.parametrize(
    "change", ["{url}/team", "{url}?", "{url}@evil.example", "", "http:{rest}"]
)
async def test_target_has_to_be_the_origin(change: str) -> None:
    seen = Seen()
    async with peer(seen) as url, relaying(entry(url)) as relay:
        target = change.format(url=url, rest=url.removeprefix("https:"))
        assert await raw(relay, "/", target) == 403
    assert not seen.requests


async def raw(relay: Relay, path: str, target: str) -> int:
    """The status of a request whose path no library mends."""
    host, port = relay.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{RELAY_KEY}: {relay.key}", f"{RELAY_TARGET}: {target}"]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    line = await reader.readline()
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


async def test_events_pass_as_they_come() -> None:
    got = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        # The second is sent only when the first has arrived at the other end.
        await asyncio.wait_for(got.wait(), 20)
        await response.write(b"data: 2\n\n")
        return response

    async with (
        peer(handle) as url,
        relaying(entry(url)) as relay,
        aiohttp.ClientSession() as session,
        session.get(relay.url + "/", headers=headers(relay, url)) as answer,
    ):
        assert await answer.content.readuntil(b"\n\n") == b"data: 1\n\n"
        got.set()
        assert await answer.content.readuntil(b"\n\n") == b"data: 2\n\n"


async def test_answer_that_breaks_off_breaks_off() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with (
        peer(handle) as url,
        relaying(entry(url)) as relay,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.ClientError):
            async with session.get(relay.url + "/", headers=headers(relay, url)) as answer:
                await answer.read()


async def test_call_that_is_given_up_ends_at_the_peer() -> None:
    ended, begun = asyncio.Event(), asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        begun.set()
        try:
            while True:
                await response.write(b"x" * 1000)
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with (
        peer(handle) as url,
        relaying(entry(url)) as relay,
        aiohttp.ClientSession() as session,
    ):
        answer = await session.get(relay.url + "/", headers=headers(relay, url))
        await asyncio.wait_for(begun.wait(), 20)
        answer.close()
        await asyncio.wait_for(ended.wait(), 20)


async def test_redirects_and_faults_are_the_peers_own() -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        spoofed = {RELAY_FAULT: "unsent", RELAY_MESSAGE: "x", "Location": "https://evil.example/"}
        return web.Response(status=307, headers=spoofed)

    async with (
        peer(handle) as url,
        relaying(entry(url)) as relay,
        aiohttp.ClientSession() as session,
        session.get(relay.url + "/", headers=headers(relay, url), allow_redirects=False) as answer,
    ):
        assert answer.status == 307
        assert answer.headers["Location"] == "https://evil.example/"
        assert RELAY_FAULT not in answer.headers


async def test_peer_that_does_not_answer_is_explained() -> None:
    gone = "https://127.0.0.1:1"
    async with (
        relaying(entry(gone)) as relay,
        aiohttp.ClientSession() as session,
        session.get(relay.url + "/", headers=headers(relay, gone)) as answer,
    ):
        assert (answer.status, answer.headers[RELAY_FAULT]) == (502, "unsent")
        assert "Connect" in answer.headers[RELAY_MESSAGE]


async def test_server_of_another_authority_is_not_called() -> None:
    seen = Seen()
    async with (
        serving(seen, Authority().server()) as url,
        relaying(entry(url)) as relay,
        aiohttp.ClientSession() as session,
        session.get(relay.url + "/", headers=headers(relay, url)) as answer,
    ):
        assert (answer.status, answer.headers[RELAY_FAULT]) == (502, "unsent")
        assert "not trusted" in answer.headers[RELAY_MESSAGE]
    assert not seen.requests


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_of_a_request_is_bounded(chunked: bool) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_REQUEST_BYTES // 2**20 + 1):
            yield bytes(2**20)

    seen = Seen()
    body: Any = endless() if chunked else io.BytesIO(bytes(MAX_REQUEST_BYTES + 1))
    async with peer(seen) as url, relaying(entry(url)) as relay, aiohttp.ClientSession() as session:
        with contextlib.suppress(aiohttp.ClientOSError):
            async with session.post(
                relay.url + "/", data=body, headers=headers(relay, url)
            ) as answer:
                assert answer.status == 413
    assert not seen.requests or seen.requests[0][1].get("Transfer-Encoding") == "chunked"


async def test_it_listens_on_loopback_and_only_if_it_has_something_to_do(tmp_path: Path) -> None:
    async with relaying(Entry(parse_prefix("https://a.example"))) as relay:
        assert not relay.url
    async with relaying(entry("https://a.example")) as relay:
        assert relay.url.startswith("http://127.0.0.1:")


async def test_call_under_way_ends_over_the_connection_that_it_has() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def handle(_: web.Request) -> web.StreamResponse:
        begun.set()
        await asyncio.wait_for(go.wait(), 20)
        return web.Response(text="done")

    async with (
        peer(handle) as url,
        relaying(entry(url)) as relay,
        aiohttp.ClientSession() as session,
    ):
        call = asyncio.create_task(session.get(relay.url + "/", headers=headers(relay, url)))
        await asyncio.wait_for(begun.wait(), 20)
        await relay.serve([])
        go.set()
        async with await call as answer:
            assert await answer.text() == "done"
        async with session.get(relay.url + "/", headers=headers(relay, url)) as answer:
            assert answer.status == 403
