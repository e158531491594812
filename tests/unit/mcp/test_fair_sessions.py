"""No caller takes up all MCP sessions: with the real SDK behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server

from hotpeers.base.settings import Listen
from hotpeers.mcp.fair_sessions import FairSessions
from hotpeers.mcp.http import PATH, make_app

MOST = 6


@pytest.fixture
async def app() -> AsyncIterator[Any]:
    made = make_app(Server("t"), Listen(host="127.0.0.1", port=1), sessions=MOST, token_file=None)
    begun, ended = asyncio.Event(), asyncio.Event()
    asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        if len(asked) == 1:
            await ended.wait()
        return asked.pop(0)

    async def send(_: Any) -> None:
        begun.set()

    task = asyncio.create_task(made({"type": "lifespan", "state": {}}, receive, send))
    await begun.wait()
    yield made
    ended.set()
    await task


class Caller:
    """A raw MCP client of one user."""

    def __init__(self, app: Any, name: str) -> None:
        self._app = app
        token = AccessToken(token="t", client_id=name, scopes=[], subject=name)
        self._user = AuthenticatedUser(token)

    async def ask(
        self, method: str, session: str = "", request: Any = None, version: str = ""
    ) -> tuple[int, str]:
        """The status, and the session id of the answer."""
        body = json.dumps({"jsonrpc": "2.0", **(request or {})}).encode()
        headers = {
            "host": "127.0.0.1:1",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "content-length": str(len(body)),
        }
        if session:
            headers["mcp-session-id"] = session
        if version:
            headers["mcp-protocol-version"] = version
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "root_path": "",
            "client": ("127.0.0.1", 2),
            "server": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "user": self._user,
        }
        parts: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
        started: list[Any] = []

        async def receive() -> Any:
            if not parts:
                await asyncio.Event().wait()
            return parts.pop()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.append(message)

        await self._app(scope, receive, send)
        found = {name.lower(): value for name, value in started[0]["headers"]}
        return started[0]["status"], found.get(b"mcp-session-id", b"").decode()

    async def begin(self) -> tuple[int, str]:
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        }
        return await self.ask("POST", "", {"id": 0, "method": "initialize", "params": hello})

    async def ask_without_session(self) -> int:
        """A request of a version of MCP that has no sessions."""
        return (await self.ask("POST", "", {"id": 1, "method": "ping"}, version="2026-07-28"))[0]

    async def ping(self, session: str) -> int:
        return (await self.ask("POST", session, {"id": 1, "method": "ping"}))[0]


async def test_a_flood_of_sessions_costs_the_others_nothing(app: Any) -> None:
    quiet, flood = Caller(app, "quiet"), Caller(app, "flood")
    _, mine = await quiet.begin()
    sessions = []
    for _ in range(5 * MOST):
        status, session = await flood.begin()
        assert status == 200
        sessions.append(session)
    assert await quiet.ping(mine) == 200
    status, second = await quiet.begin()
    assert (status, bool(second)) == (200, True)
    # A session that was ended to make room goes on as if nothing had happened.
    assert await flood.ping(sessions[0]) == 200
    assert await quiet.ping(mine) == 200


@pytest.mark.parametrize("held", range(MOST + 1))
async def test_sessions_that_begin_at_once_get_the_places_that_there_are(
    app: Any, held: int
) -> None:
    quiet, flood = Caller(app, "quiet"), Caller(app, "flood")
    for _ in range(held):
        await flood.begin()
    begun = await asyncio.gather(*(quiet.begin() for _ in range(MOST)))
    assert [status for status, _ in begun] == [200] * MOST
    assert len({session for _, session in begun}) == MOST


async def test_session_of_another_caller_is_not_reached(app: Any) -> None:
    quiet, other = Caller(app, "quiet"), Caller(app, "other")
    _, mine = await quiet.begin()
    status, named = await other.ask("DELETE", mine)
    assert status in {403, 404}
    assert named in {"", mine}
    assert await quiet.ping(mine) == 200


async def test_sessions_that_clients_end_make_room(app: Any) -> None:
    caller = Caller(app, "one")
    for _ in range(3 * MOST):
        _, session = await caller.begin()
        assert (await caller.ask("DELETE", session))[0] == 200
    assert (await caller.begin())[0] == 200


class Slow:
    """An application that knows `sessions`, and takes as long as `going` says to end one."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.deleted: list[str] = []
        self.going = asyncio.Event()
        self.greeting: asyncio.Event | None = None
        self.refuses = False
        self.cut = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        session = headers.get(b"mcp-session-id", b"").decode()
        status = 200
        greeting = None
        if not session:
            session = f"s{len(self.sessions) + len(self.deleted)}"
            greeting = self.greeting
            if self.refuses:
                status = 400
            else:
                self.sessions.add(session)
        elif scope["method"] == "DELETE":
            self.deleted.append(session)
            await self.going.wait()
            self.sessions.discard(session)
        else:
            await self.going.wait()
            status = 200 if session in self.sessions else 404
            self.cut += session in self.deleted
        made = [(b"mcp-session-id", session.encode())]
        await send({"type": "http.response.start", "status": status, "headers": made})
        if greeting is not None:
            await greeting.wait()
        await send({"type": "http.response.body", "body": b""})


async def test_sessions_that_are_ended_at_once_differ_and_get_no_request() -> None:
    slow = Slow()
    fair = FairSessions(slow, PATH, 3)
    caller = Caller(fair, "one")
    for _ in range(3):
        await caller.begin()
    more = [asyncio.create_task(caller.begin()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = await caller.ping("s0")
    slow.going.set()
    assert [status for status, _ in await asyncio.gather(*more)] == [200, 200]
    assert slow.deleted == ["s0", "s1"]
    assert (late, slow.cut) == (404, 0)


async def test_two_requests_that_find_the_session_gone_are_both_answered() -> None:
    slow = Slow()
    caller = Caller(FairSessions(slow, PATH, 3), "one")
    _, session = await caller.begin()
    both = [asyncio.create_task(caller.ping(session)) for _ in range(2)]
    await asyncio.sleep(0)
    slow.sessions.clear()
    slow.going.set()
    assert await asyncio.gather(*both) == [404, 404]


async def test_requests_that_begin_no_session_end_none() -> None:
    slow = Slow()
    slow.going.set()
    fair = FairSessions(slow, PATH, 2)
    caller, other = Caller(fair, "one"), Caller(fair, "other")
    for _ in range(2):
        await caller.begin()
    await other.ask_without_session()
    assert slow.deleted == []


async def test_refused_sessions_take_no_place() -> None:
    slow = Slow()
    slow.going.set()
    fair = FairSessions(slow, PATH, 2)
    caller, other = Caller(fair, "one"), Caller(fair, "other")
    await caller.begin()
    slow.refuses = True
    assert [(await other.begin())[0] for _ in range(3)] == [400] * 3
    slow.refuses = False
    await other.begin()
    assert slow.deleted == []


async def test_session_that_is_beginning_is_not_ended() -> None:
    slow = Slow()
    slow.going.set()
    slow.greeting = asyncio.Event()
    caller = Caller(FairSessions(slow, PATH, 1), "one")
    both = [asyncio.create_task(caller.begin()) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    slow.greeting.set()
    await asyncio.gather(*both)
    assert slow.deleted == []
