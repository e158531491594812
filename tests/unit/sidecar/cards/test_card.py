"""Agent cards over HTTP: both generations, every way to fail, and no way out of the origin."""

import asyncio
import contextlib
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from hotpeers.base.reasons import Reason
from hotpeers.model.reasons import ModelReason
from hotpeers.sidecar.cards.reader import MAX_CARD_BYTES, CardReader, CardState
from hotpeers.sidecar.credentials.keeper import Access
from hotpeers.sidecar.reasons import SidecarReason
from kit.cards import CARD, new_card, old_card

OLD = old_card("http://x/rpc")
NEW = new_card("http://x/rpc")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


class Reading:
    """A reader, and a bounded wait for its states."""

    def __init__(self, **options: Any) -> None:
        self._event = asyncio.Event()
        self.reader = CardReader(self._event.set, **options)

    async def until(
        self, key: tuple[str, str], condition: Callable[[CardState], bool]
    ) -> CardState:
        async with asyncio.timeout(60):
            while key not in self.reader.states or not condition(self.reader.states[key]):
                await self._event.wait()
                self._event.clear()
        return self.reader.states[key]


@pytest.mark.parametrize("card", [OLD, NEW], ids=["0.3", "1.x"])
@pytest.mark.parametrize(
    ("path", "card_path"),
    [
        ("/.well-known/agent-card.json", ""),
        ("/.well-known/agent.json", ""),
        ("/cards/mine.json", "/cards/mine.json"),
    ],
)
async def test_card_of_either_generation_is_found(
    serve: Serve, card: dict[str, Any], path: str, card_path: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path != path:
            raise web.HTTPNotFound
        return web.json_response(card)

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, card_path)])
        state = await reading.until((url, card_path), lambda state: state.ready)
    assert state.card is not None
    assert state.card.name == "Weather"
    assert [one.url for one in state.card.interfaces] == ["http://x/rpc"]
    assert [skill.id for skill in state.card.skills] == ["forecast"]


async def test_card_made_by_the_sdk_is_read(serve: Serve) -> None:
    from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
    from google.protobuf.json_format import MessageToDict

    card = AgentCard(
        name="Weather",
        description="d",
        version="1",
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[AgentInterface(url="http://x/rpc", protocol_binding="JSONRPC")],
        skills=[AgentSkill(id="forecast", name="Forecast", description="d", tags=["t"])],
    )

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(MessageToDict(card))

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        state = await reading.until((url, ""), lambda state: state.ready)
    assert state.card is not None
    assert state.card.skills[0].tags == ("t",)


async def answer_404(_: web.Request) -> web.Response:
    raise web.HTTPNotFound


async def answer_500(_: web.Request) -> web.Response:
    raise web.HTTPInternalServerError


async def answer_text(_: web.Request) -> web.Response:
    return web.Response(text="<html>")


async def answer_list(_: web.Request) -> web.Response:
    return web.json_response([])


async def answer_no_interface(_: web.Request) -> web.Response:
    return web.json_response(CARD)


async def answer_huge(_: web.Request) -> web.Response:
    return web.json_response(OLD | {"padding": "x" * MAX_CARD_BYTES})


async def answer_deep(_: web.Request) -> web.Response:
    return web.Response(text="[" * 100_000)


async def answer_bomb(_: web.Request) -> web.Response:
    return compressed(b'{"a": "' + b"x" * 50_000_000 + b'"}')


async def answer_endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" " * 65536)
    return response


async def answer_brotli(_: web.Request) -> web.Response:
    return web.Response(body=b"x", headers={"Content-Encoding": "br"})


async def answer_bad_gzip(_: web.Request) -> web.Response:
    return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})


async def answer_nested(_: web.Request) -> web.Response:
    return web.Response(text=json.dumps(OLD)[:-1] + ', "x": ' + "[" * 90 + "]" * 90 + "}")


async def answer_other_json(_: web.Request) -> web.Response:
    return web.json_response({"detail": "Not Found"})


def compressed(body: bytes) -> web.Response:
    return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})


async def redirect_away(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://169.254.169.254/latest/meta-data")


async def redirect_for_ever(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.path + "x")


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "reason", "part"),
    [
        (answer_404, SidecarReason.CARD_UNAVAILABLE, "status 404"),
        (answer_500, SidecarReason.CARD_UNAVAILABLE, "status 500"),
        (answer_text, ModelReason.CARD_INVALID, "not JSON"),
        (answer_list, ModelReason.CARD_INVALID, "JSON object"),
        (answer_no_interface, ModelReason.INTERFACE_MISSING, "JSONRPC"),
        (answer_huge, ModelReason.CARD_INVALID, "larger than"),
        (answer_deep, ModelReason.CARD_INVALID, "recursion"),
        (redirect_away, SidecarReason.CARD_UNAVAILABLE, "another origin"),
        (redirect_for_ever, SidecarReason.CARD_UNAVAILABLE, "too often"),
        (cut, SidecarReason.CARD_UNAVAILABLE, "disconnected"),
        (answer_bomb, ModelReason.CARD_INVALID, "larger than"),
        (answer_endless, ModelReason.CARD_INVALID, "larger than"),
        (answer_brotli, ModelReason.CARD_INVALID, "compressed as 'br'"),
        (answer_bad_gzip, SidecarReason.CARD_UNAVAILABLE, "not gzip"),
        (answer_nested, ModelReason.CARD_INVALID, "nests deeper"),
        (answer_other_json, ModelReason.CARD_INVALID, "not an agent card"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_failure_has_its_reason(
    serve: Serve, handler: Handler, reason: Reason, part: str
) -> None:
    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        state = await reading.until((url, ""), lambda state: state.failures > 0)
    assert state.reason is reason
    assert part in state.message
    assert state.card is None


@pytest.mark.parametrize(
    "first",
    [
        web.HTTPNotFound,
        lambda: web.HTTPMethodNotAllowed("GET", ["POST"]),
        web.HTTPUnauthorized,
        web.HTTPForbidden,
        web.HTTPGone,
        web.HTTPNotAcceptable,
        lambda: web.HTTPFound("https://login.example/"),
        web.HTTPNoContent,
        lambda: web.Response(text="<!doctype html><title>App</title>", content_type="text/html"),
        lambda: web.Response(text=""),
        lambda: web.json_response({"error": "not found"}),
        lambda: web.json_response(CARD),
        lambda: web.json_response([]),
        lambda: web.Response(text="x" * 2_000_000),
    ],
)
async def test_path_before_0_3_is_read_where_todays_has_no_card(serve: Serve, first: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/agent.json":
            return web.json_response(OLD)
        found = first()
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        await reading.until((url, ""), lambda state: state.ready)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_server_in_trouble_is_not_taken_for_an_old_one(serve: Serve, status: int) -> None:
    """Its other path may hold an older card: the offered peer would alternate."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/agent.json":
            return web.json_response(OLD)
        return web.Response(status=status)

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        state = await reading.until((url, ""), lambda state: state.failures > 0)
    assert (state.card, state.reason) == (None, SidecarReason.CARD_UNAVAILABLE)
    assert f"status {status}" in state.message


async def test_more_specific_of_two_failures_is_reported(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/agent.json":
            return web.json_response(CARD)
        raise web.HTTPNotFound

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        state = await reading.until((url, ""), lambda state: state.failures > 0)
    assert state.reason is ModelReason.INTERFACE_MISSING
    assert "agent.json" in state.message


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_card_is_read(serve: Serve, encoding: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        raw = json.dumps(OLD).encode()
        body = gzip.compress(raw[:40]) + gzip.compress(raw[40:])
        body = body if encoding == "gzip" else zlib.compress(raw)
        return web.Response(body=body, headers={"Content-Encoding": encoding})

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        await reading.until((url, ""), lambda state: state.ready)


async def test_limit_of_a_card_can_be_set(serve: Serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(OLD | {"padding": "x" * 3000})

    url = await serve(handler)
    reading = Reading(max_bytes=2000)
    async with reading.reader as reader:
        reader.follow([(url, "")])
        state = await reading.until((url, ""), lambda state: state.failures > 0)
    assert "larger than 2000 bytes" in state.message


async def test_compressed_bomb_uses_little_memory(serve: Serve) -> None:
    """150 kB that decompress to 150 MB: at most the limit and one chunk are read."""
    bomb = gzip.compress(bytes(150_000_000), compresslevel=9)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        tracemalloc.start()
        reader.follow([(url, "")])
        state = await reading.until((url, ""), lambda state: state.failures > 0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "larger than" in state.message
    assert peak < 8_000_000


async def test_card_goes_through_the_proxy_of_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        if "broken" in str(request.url):
            return web.Response(status=502)
        return web.json_response(OLD)

    monkeypatch.setenv("HTTP_PROXY", (await serve(proxy)).replace("://", "://user:secret@"))
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    fine, broken = ("http://weather.example", ""), ("http://broken.example", "")
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([fine, broken])
        await reading.until(fine, lambda state: state.ready)
        state = await reading.until(broken, lambda state: state.failures > 0)
    assert asked[0].startswith("http://weather.example/") or asked[0].startswith("http://broken.")
    assert "status 502 (through the proxy http://127.0.0.1:" in state.message
    assert "secret" not in state.message


async def test_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([("http://weather.example", "")])
        state = await reading.until(("http://weather.example", ""), lambda s: s.failures > 0)
    assert "refused (through the proxy http://127.0.0.1:9)" in state.message


async def test_no_proxy_exception_bypasses_the_proxy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(OLD)

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        await reading.until((url, ""), lambda state: state.ready)


async def test_redirect_within_the_origin_is_followed(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path != "/real":
            raise web.HTTPFound("/real")
        return web.json_response(OLD)

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        await reading.until((url, ""), lambda state: state.ready)


async def test_peer_that_is_not_there_yet_is_found_later(serve: Serve) -> None:
    calls = 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise web.HTTPServiceUnavailable
        return web.json_response(OLD)

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        await reading.until((url, ""), lambda state: state.reason is not None)
        state = await reading.until((url, ""), lambda state: state.ready)
    assert (state.failures, state.reason) == (0, None)


async def test_outage_keeps_the_card_and_change_is_taken_over(serve: Serve) -> None:
    answers: list[dict[str, Any] | None] = [OLD, None, None, OLD | {"description": "new"}]

    async def handler(_: web.Request) -> web.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            raise web.HTTPServiceUnavailable
        return web.json_response(answer)

    url = await serve(handler)
    reading = Reading(refresh=0.01)
    async with reading.reader as reader:
        reader.follow([(url, "")])
        away = await reading.until((url, ""), lambda state: state.failures >= 2)
        assert away.card is not None
        assert not away.ready
        back = await reading.until((url, ""), lambda state: state.ready)
        assert back.card is not None
        assert back.card.description == "new"


async def test_unfollowed_card_is_forgotten(serve: Serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(OLD))

    url = await serve(handler)
    reading = Reading()
    async with reading.reader as reader:
        reader.follow([(url, "")])
        await reading.until((url, ""), lambda state: state.ready)
        reader.follow([])
        assert not reader.states


async def test_each_hop_has_the_headers_of_its_own_url(serve: Serve) -> None:
    seen: list[tuple[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("Authorization", "")))
        if request.path.startswith("/team"):
            return web.Response(status=307, headers={"Location": "/open/card.json"})
        return web.json_response(NEW)

    url = await serve(handler)

    def access(asked: str) -> Access:
        inside = asked.startswith(f"{url}/team/")
        return Access({"Authorization": "Bearer s3cret"} if inside else {})

    reading = Reading(access=access)
    key = (f"{url}/team", "")
    async with reading.reader:
        reading.reader.follow([key])
        await reading.until(key, lambda state: state.card is not None)
    assert seen == [
        ("/team/.well-known/agent-card.json", "Bearer s3cret"),
        ("/open/card.json", ""),
    ]
