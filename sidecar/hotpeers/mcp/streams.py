"""Streams of answers that a client can take up again after its connection broke.

A client of MCP 2025-11-25 whose stream breaks asks for the rest with the last event id that it has
seen (specification of 2025-11-25, transports, resumability). Without an id it cannot: clients of the
Python SDK 1.x then wait silently, often for 300 s. So each stream begins with an event that has an id. If
this process has the stream, the client gets all of it. If not, because it is another process, the client
gets an answer that explains what happened.

The SDK's `EventStore` does not serve here: it knows a stream by the id of its request alone, which
clients share, so one client would get the answers of another.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .reasons import McpReason
from .sessions import user_of, with_headers

LAST_EVENT = "last-event-id"
VERSION = "2025-11-25"
"""The version with resumable streams. Older clients cannot read the first event, newer ones have none."""
KEPT_SECONDS = 60.0
MAX_KEPT_BYTES = 16 * 1024 * 1024
RETRY_MS = 2_000
"""When a client tries again: the Python SDK 1.30 does so only twice, so this covers a restart."""
_MAX_ID = 512
_LOST = (
    "The connection broke, and the answer cannot be had any more: hotpeers was restarted, or too much "
    "time has passed. What you asked for may have been done. Find out what became of it, before you ask "
    "for the same again."
)


class Streams:
    """Makes the streams of `app`, which serves MCP at `path`, resumable.

    Requests of more than `most_bytes` are left to the application, which rejects them.
    """

    def __init__(self, app: ASGIApp, path: str, most_bytes: int) -> None:
        self._app = app
        self._path = path
        self._most_bytes = most_bytes
        self._streams: dict[str, _Stream] = {}
        self._ended: deque[_Stream] = deque()
        self._ended_bytes = 0
        self._running: dict[tuple[str, str, str | int], _Stream] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. A stream goes on when its client is gone."""
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await asyncio.gather(*(one.stop() for one in tuple(self._running.values())))
            return
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "GET" and LAST_EVENT in headers:
            await self._resume(headers[LAST_EVENT], scope, receive, send)
        elif scope["method"] == "POST" and headers.get("mcp-protocol-version") == VERSION:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _Request(receive)
        body = await request.read(self._most_bytes)
        asked = _asked(body)
        if asked is None:
            await self._app(scope, request.receive, send)
            return
        user = user_of(scope)
        key = (user, Headers(scope=scope).get("mcp-session-id", ""), asked[0])
        before = self._running.get(key)
        if before is not None and before.body == body:
            # The client has sent its request again.
            await before.deliver(request.gone, send)
            return
        if before is not None:
            # The SDK tells requests of a session apart by their ids alone: it would never end this one.
            await before.stop()
        stream = self._running[key] = _Stream(user, body)

        async def take(message: Message) -> None:
            stream.add(message)
            if message["type"] == "http.response.start":
                self._prime(stream, message, *asked)

        def end(_: object) -> None:
            if self._running.get(key) is stream:
                del self._running[key]
            self._keep(stream)

        stream.run(self._app(scope, request.receive, take), end)
        try:
            await stream.deliver(request.gone, send)
        finally:
            if not stream.id:
                await stream.stop()

    def _prime(self, stream: _Stream, start: Message, request: str | int, calls: bool) -> None:
        if not _is_stream(start):
            return
        stream.id = _event_id(request, calls)
        if not stream.id:
            return
        self._streams[stream.id] = stream
        first = f"id: {stream.id}\nretry: {RETRY_MS}\ndata: \n\n".encode()
        stream.add({"type": "http.response.body", "body": first, "more_body": True})

    async def _resume(self, event: str, scope: Scope, receive: Receive, send: Send) -> None:
        stream = self._streams.get(event)
        if stream is not None and stream.user == user_of(scope):
            request = _Request(receive)
            await stream.deliver(request.gone, send)
            return
        asked = _read_event_id(event)
        if asked is None:
            # Not an id of ours. Without it, the SDK opens a stream for messages of the server.
            await self._app(with_headers(scope, {LAST_EVENT: None}), receive, send)
            return
        explained = _lost(*asked)

        async def said() -> AsyncIterator[str]:
            yield f"event: message\ndata: {json.dumps(explained)}\n\n"

        answer = StreamingResponse(said(), media_type="text/event-stream")
        await answer(scope, receive, send)

    def _keep(self, stream: _Stream) -> None:
        """Keep a stream that has ended, and forget those that are too old or too many."""
        if stream.id:
            self._ended.append(stream)
            self._ended_bytes += stream.size
        oldest = time.monotonic() - KEPT_SECONDS
        while self._ended and (
            (self._ended[0].ended or 0.0) < oldest or self._ended_bytes > MAX_KEPT_BYTES
        ):
            first = self._ended.popleft()
            self._ended_bytes -= first.size
            del self._streams[first.id]


@dataclass(eq=False)
class _Stream:
    """An answer: what the application has sent so far. `id` is "" if it cannot be resumed."""

    user: str
    body: bytes
    id: str = ""
    size: int = 0
    ended: float | None = None
    _messages: list[Message] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Future[None] | None = None

    def run(self, answering: Awaitable[None], ended: Callable[[object], None]) -> None:
        """Begin to answer. `ended` is called at the end."""
        self._task = asyncio.ensure_future(answering)
        self._task.add_done_callback(self._note_end)
        self._task.add_done_callback(ended)

    async def stop(self) -> None:
        """Give up the answer."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def add(self, message: Message) -> None:
        """Add what the application has sent."""
        self._messages.append(message)
        self.size += len(message.get("body", b""))
        self._note_change()

    async def deliver(self, gone: Callable[[], Awaitable[None]], send: Send) -> None:
        """Send everything, until the last message, or until the client is `gone`."""
        leaving = asyncio.ensure_future(gone())
        position = 0
        try:
            while not leaving.done():
                changed = self._changed
                for message in self._messages[position:]:
                    await send(message)
                    position += 1
                if self.ended is not None and position == len(self._messages):
                    break
                waiting = asyncio.create_task(changed.wait())
                await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        finally:
            leaving.cancel()
        task = self._task
        if task is not None and task.done() and not task.cancelled():
            # So that the server logs a fault of the application.
            task.result()

    def _note_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _note_end(self, _: asyncio.Task[None]) -> None:
        self.ended = time.monotonic()
        self.body = b""
        self._note_change()


class _Request:
    """The body of a request. After it, the application does not see when the client leaves."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._parts: list[Message] = []
        self._end = asyncio.Event()

    async def read(self, most: int) -> bytes:
        """The body, or the beginning of one that is larger than `most` bytes."""
        size = 0
        while not self._end.is_set() and size <= most:
            message = await self._receive()
            self._parts.append(message)
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                self._end.set()
        return b"".join(one.get("body", b"") for one in self._parts)

    async def receive(self) -> Message:
        """The request as the application reads it."""
        if self._parts:
            return self._parts.pop(0)
        if self._end.is_set():
            await asyncio.Event().wait()
        return await self._receive()

    async def gone(self) -> None:
        """Wait until the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _is_stream(start: Message) -> bool:
    kind = Headers(raw=list(start["headers"])).get("content-type", "")
    return start["status"] == 200 and kind.startswith("text/event-stream")


def _asked(body: bytes) -> tuple[Any, bool] | None:
    """The id of a JSON-RPC request, and whether it calls a tool; None for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str | int):
        return None
    return found["id"], found.get("method") == "tools/call"


def _event_id(request: str | int, calls: bool) -> str:
    """An id that nobody can guess, and that tells any process which request it belongs to."""
    packed = base64.urlsafe_b64encode(json.dumps([request, calls]).encode()).decode()
    return f"hp1.{os.urandom(16).hex()}.{packed}" if len(packed) <= _MAX_ID else ""


def _read_event_id(event: str) -> tuple[Any, bool] | None:
    kind, _, rest = event[: 2 * _MAX_ID].partition(".")
    try:
        request, calls = json.loads(base64.urlsafe_b64decode(rest.partition(".")[2]))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        return None
    return (request, bool(calls)) if kind == "hp1" and isinstance(request, str | int) else None


def _lost(request: str | int, calls: bool) -> dict[str, Any]:
    """The answer to a request whose own answer was lost with another process."""
    reason = McpReason.ANSWER_LOST
    text = f"{reason.value}: {_LOST}"
    answer: dict[str, Any] = {"error": {"code": -32603, "message": text}}
    if calls:
        answer = {"result": {"content": [{"type": "text", "text": text}], "isError": True}}
    return {"jsonrpc": "2.0", "id": request, **answer}
