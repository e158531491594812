"""MCP sessions that outlive the process that began them.

A client of MCP 2025-11-25 and older has a session. The SDK keeps it in memory, and answers 404 when it was
begun in another process (a replica, or the one before a restart), or was idle for too long. The client
should then begin a new one. Several do not: openai-agents 0.20 and pydantic-ai 2.31 end the run. The tools
keep nothing in a session that a client could miss, so it goes on with a new session of the SDK.
"""

from __future__ import annotations

import asyncio
import json
import re
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__

SESSION_HEADER = "x-hotpeers-session"
"""The header in which handlers see the session id that the client sent."""
_ID = "mcp-session-id"
_VERSION = "mcp-protocol-version"
# The version that a client means that names none (specification of 2025-11-25, transports).
_OLDEST_VERSION = "2025-03-26"
# As the SDK makes ids (mcp 2.3, server/streamable_http_manager.py). No other id is one of ours.
_IS_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_NOT_FOUND = 404

_Key = tuple[str, str]


class Sessions:
    """Lets a client go on with a session that `app` does not know (any more).

    `app` serves MCP at `path`. At most `most` sessions are remembered: a forgotten one costs one
    more handshake. A session belongs to the user in the scope, if there is one: with the id of
    another user's session, a caller gets a session of its own.
    """

    def __init__(self, app: ASGIApp, path: str, most: int) -> None:
        self._app = app
        self._path = path
        self._most = most
        self._renewed: OrderedDict[_Key, str] = OrderedDict()
        self._locks: weakref.WeakValueDictionary[_Key, asyncio.Lock] = weakref.WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, in a new session of the SDK if its own one is unknown."""
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        session = headers.get(_ID, "")
        if not _IS_ID(session):
            await self._app(with_headers(scope, {SESSION_HEADER: None}), receive, send)
            return
        key = (user_of(scope), session)
        inner = self._renewed.get(key, session)
        attempt = _Attempt(receive, _named(session, send))
        await self._app(_in_session(scope, session, inner), attempt.receive, attempt.send)
        if not attempt.is_unknown:
            return
        if scope["method"] == "DELETE":
            self._renewed.pop(key, None)
            await attempt.release()
            return
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            now = self._renewed.get(key, "")
            if now in ("", inner):
                version = headers.get(_VERSION, _OLDEST_VERSION)
                status, now = await self._begin(scope, version)
                if not now:
                    busy = PlainTextResponse(
                        "the session cannot be resumed now; try again\n", status
                    )
                    busy.headers["Retry-After"] = "1"
                    await busy(scope, receive, send)
                    return
                self._renewed[key] = now
                if len(self._renewed) > self._most:
                    self._renewed.popitem(last=False)
        self._renewed.move_to_end(key)
        await self._app(_in_session(scope, session, now), attempt.again, _named(session, send))

    async def _begin(self, scope: Scope, version: str) -> tuple[int, str]:
        """Do the handshake of a new session. Returns the HTTP status, and its id, "" if there is none."""
        hello = {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "hotpeers-resumed", "version": __version__},
        }
        request = {"id": 0, "method": "initialize", "params": hello}
        status, inner = await self._post(scope, request)
        if inner:
            note = {"method": "notifications/initialized"}
            await self._post(with_headers(scope, {_ID: inner}), note)
        return status, inner

    async def _post(self, scope: Scope, request: dict[str, Any]) -> tuple[int, str]:
        body = json.dumps({"jsonrpc": "2.0", **request}).encode()
        changed: dict[str, str | None] = {
            "content-length": str(len(body)),
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "transfer-encoding": None,
        }
        if request["method"] == "initialize":
            changed |= {_ID: None, _VERSION: None}
        found = (503, "")
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            # The SDK waits for the client to leave, until it has answered.
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            nonlocal found
            if message["type"] == "http.response.start":
                sent = Headers(raw=list(message["headers"]))
                found = (message["status"], sent.get(_ID, ""))

        await self._app(with_headers({**scope, "method": "POST"}, changed), receive, send)
        return found


class _Attempt:
    """One request, kept so that it can be made again, and its answer unless the session is unknown."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._received: list[Message] = []
        self._answered = False
        self._held: list[Message] = []

    @property
    def is_unknown(self) -> bool:
        """Whether the answer says that there is no such session. Nothing of it was sent on."""
        return bool(self._held)

    async def receive(self) -> Message:
        """The next part of the request. The application limits how much of it is read."""
        message = await self._receive()
        if not self._answered:
            self._received.append(message)
        return message

    async def again(self) -> Message:
        """The request from its beginning."""
        return self._received.pop(0) if self._received else await self._receive()

    async def send(self, message: Message) -> None:
        """Send on, or hold an answer that says that there is no such session."""
        if self._held or (
            message["type"] == "http.response.start" and message["status"] == _NOT_FOUND
        ):
            self._held.append(message)
        else:
            # No second attempt follows, so do not keep the request.
            self._answered = True
            self._received.clear()
            await self._send(message)

    async def release(self) -> None:
        """Send what was held."""
        for message in self._held:
            await self._send(message)


def user_of(scope: Scope) -> str:
    """Who calls, "" if that is not known."""
    user = scope.get("user")
    return str(user.display_name) if user is not None else ""


def _in_session(scope: Scope, session: str, inner: str) -> Scope:
    return with_headers(scope, {_ID: inner, SESSION_HEADER: session})


def _named(session: str, send: Send) -> Send:
    """Sends an answer with the id that the client knows. The Go SDK ends a session that changes its id."""

    async def renaming(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, session.encode() if name == _ID.encode() else value)
                for name, value in message["headers"]
            ]
            message = {**message, "headers": headers}
        await send(message)

    return renaming


def with_headers(scope: Scope, changed: dict[str, str | None]) -> Scope:
    """The scope with other headers. None removes one."""
    names = {name.encode() for name in changed}
    kept: Iterable[tuple[bytes, bytes]] = (one for one in scope["headers"] if one[0] not in names)
    new = ((name.encode(), value.encode()) for name, value in changed.items() if value is not None)
    return {**scope, "headers": [*kept, *new]}
