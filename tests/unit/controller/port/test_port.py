"""The port: requests are bounded before they are parsed, and callers share fairly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from hotpeers.base.settings import Listen
from hotpeers.controller.port.connections import Connection, Stage
from hotpeers.controller.port.intake import INTAKE, BodyError, cost_of, make_app, subject_of
from hotpeers.controller.port.limits import Limits
from hotpeers.controller.port.tls import ServingCertificate, serve_tls
from hotpeers.controller.port.turns import Busy, Turns
from kit.apiserver.certificates import Authority

LIMITS = Limits(
    fresh=4,
    kept=4,
    silent=8,
    head_seconds=1.0,
    body_seconds=1.0,
    values=10,
    depth=3,
    body_bytes=200,
)
TLS_SECONDS = 30.0


class Served:
    """A port that answers each body with itself."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
        )

    async def send(self, raw: bytes) -> bytes:
        """All bytes that are received until the connection closes."""
        reader, writer = await self.open()
        writer.write(raw)
        try:
            async with asyncio.timeout(TLS_SECONDS):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()


async def _echo(request: web.Request) -> web.Response:
    try:
        async with request.app[INTAKE].body(request) as body:
            return web.Response(text=body)
    except BodyError as error:
        return web.Response(status=error.status, text=str(error))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    authority, certificate = Authority(tmp_path), ServingCertificate()
    files = authority.server("localhost")
    certificate.replace(*(one.read_bytes() for one in files))
    app = make_app(LIMITS)
    app.router.add_post("/", _echo)
    listen = Listen(host="127.0.0.1", port=0)
    async with serve_tls(app, listen, certificate, finish=1.0, limits=LIMITS) as port:
        yield Served(port, ssl.create_default_context(cafile=str(authority.file)))


def request(body: bytes, *headers: str) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


CLOSE = "Connection: close"
REFUSED = {
    "many values": (request(b"[" + b"1," * 11 + b"1]", CLOSE), b"413"),
    "deep": (request(b"[[[[]]]]", CLOSE), b"413"),
    "many quotes": (request(b'"' * 100, CLOSE), b"413"),
    "large": (request(b"x" * 201, CLOSE), b"413"),
    "compressed": (request(b"{}", "Content-Encoding: gzip", CLOSE), b"415"),
    "UTF-16": (request("{}".encode("utf-16"), CLOSE), b"400"),
    "chunked": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"411",
    ),
    "two lengths": (request(b"{}", "Content-Length: 3"), b"411"),
    "a large head": (request(b"{}", "X: " + "x" * 20_000), b"431"),
    "no end of the head": (b"POST / HTTP/1.1\r\nHost: x\r\n", b""),
    "no end of the body": (request(b"{}")[:-1], b""),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_costly_request_is_refused(served: Served, name: str) -> None:
    raw, status = REFUSED[name]
    answer = await served.send(raw)
    assert answer.split(b" ")[1:2] == ([status] if status else [])


async def test_requests_are_answered_one_after_the_other(served: Served) -> None:
    reader, writer = await served.open()
    for body in (b'{"a": [1, 2]}', b"[[[]]]"):
        for cut in (request(body)[:30], request(body)[30:]):
            writer.write(cut)
        async with asyncio.timeout(TLS_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.splitlines()[0]
            assert await reader.readexactly(len(body)) == body
    writer.transport.abort()


async def test_new_callers_get_in_however_many_hold_connections(served: Served) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3 * LIMITS.fresh):
            _, writer = await served.open()
            stack.callback(writer.close)
            writer.write(b"POST / HTTP/1.1\r\n")
        assert b" 200 " in await served.send(request(b"{}", CLOSE))


async def test_flooding_source_takes_its_own_places() -> None:
    stage = Stage("fresh", 4)
    quiet = Connection(None, "a")  # type: ignore[arg-type] - nothing is sent
    stage.enter(quiet, 0.0)
    busy, oldest, newest = (Connection(None, "b") for _ in range(3))  # type: ignore[arg-type]
    busy.busy = True
    for one in (busy, oldest, newest):
        stage.enter(one, 0.0)
    assert stage.victim() is oldest
    stage.remove(oldest)
    oldest.busy = newest.busy = quiet.busy = True
    assert stage.victim() is None


async def test_who_holds_least_is_next() -> None:
    turns, order = Turns(2, 2, 30.0), list[str]()

    async def take(key: str) -> None:
        async with turns.turn(key):
            order.append(key)
            await asyncio.sleep(0)

    await asyncio.gather(*(take(key) for key in ("many", "many", "many", "many", "many", "one")))
    assert order.index("one") < 4


async def test_turns_are_bounded_in_time_and_number() -> None:
    turns = Turns(8, 1, 0.05, queue=1)
    async with turns.turn("a"), turns.turn("b"):
        waiting = asyncio.create_task(_enter(turns, "a"))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await _enter(turns, "a")
        with pytest.raises(Busy):
            await waiting
        await _enter(turns, "c")
    await _enter(turns, "a")


async def _enter(turns: Turns, key: str) -> None:
    async with turns.turn(key):
        pass


def test_subject_is_read_where_an_api_server_writes_it() -> None:
    raw = b'{"request":{"name":"x\\"userInfo\\":{","userInfo":{"username":"a\\u00e9","uid":"1"}'
    assert subject_of(raw) == "aé"
    assert subject_of(b'{"object": {}}') == ""


def test_cost_follows_the_widest_character() -> None:
    assert cost_of(b"x" * 100, 0) == 200
    assert cost_of("é".encode() * 50, 0) == 400
    assert cost_of("😀".encode() * 25, 1) == 800 + 250
    assert cost_of(b"\\ud83d\\ude00", 0) == 12 * 5
    # Two objects of 3 MiB with an emoji each are taken.
    assert cost_of(b"x" * (6 * 1024 * 1024) + "😀".encode(), 10_000) < Limits().parsed_bytes_each


def test_limits_leave_room_for_the_process() -> None:
    limits = replace(Limits())
    connections = (limits.fresh + limits.kept) * 160 * 1024
    # Of the chart's 256 MiB; the process itself takes 71.
    assert (limits.read_bytes + limits.parsed_bytes + connections) / 1024**2 < 256 - 80
