"""Prevents one caller from using up all MCP sessions of a process.

The SDK refuses a new session (503) when its maximum is reached. A session ends when its client ends it, or
after half an hour without a request. So one client that never ends its sessions could lock out all others.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .sessions import user_of, with_headers

_ID = "mcp-session-id"
_VERSION = "mcp-protocol-version"
_GONE = 404


class FairSessions:
    """Limits the sessions of all callers together to `most`.

    If a new session would exceed that, the caller with the most sessions loses its least recently used
    one. Sessions with a running request are never ended. The client of an ended session notices nothing,
    because `Sessions` lets it go on. `app` serves MCP at `path`.
    """

    def __init__(self, app: ASGIApp, path: str, most: int) -> None:
        self._app = app
        self._path = path
        self._most = most
        # For each caller its sessions with the number of their running requests, the least recently
        # used one first. A session that the SDK ended by itself stays until it is the first.
        self._held: defaultdict[str, OrderedDict[str, int]] = defaultdict(OrderedDict)
        self._count = 0
        # The requests that begin a session. The SDK counts it from their first byte on.
        self._beginning = 0
        self._users: dict[str, object] = {}
        self._ending: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        user, session = user_of(scope), Headers(scope=scope).get(_ID, "")
        if session in self._ending:
            # The SDK would cut the request when it ends the session.
            await PlainTextResponse("the session has ended\n", _GONE)(scope, receive, send)
            return
        if session in self._held.get(user, ()):
            await self._within(user, session, scope, receive, send)
            return
        if session or not _has_sessions(scope):
            await self._app(scope, receive, send)
            return
        if self._count + self._beginning + len(self._ending) >= self._most:
            await self._make_room(scope)
        await self._begin(user, scope, receive, send)

    async def _begin(self, user: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._beginning += 1
        made = ""

        async def noting(message: Message) -> None:
            nonlocal made
            # The SDK names a session in errors too, and drops it.
            if message["type"] == "http.response.start" and message["status"] < 300:
                made = Headers(raw=list(message["headers"])).get(_ID, "")
                if made:
                    self._held[user][made] = 1
                    self._users[user] = scope.get("user")
                    self._count += 1
                    self._beginning -= 1
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if not made:
                self._beginning -= 1
            elif made in self._held.get(user, ()):
                self._held[user][made] -= 1

    async def _within(
        self, user: str, session: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        mine = self._held[user]
        mine[session] += 1
        mine.move_to_end(session)
        ended = False

        async def noting(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                deleted = scope["method"] == "DELETE" and message["status"] < 300
                ended = deleted or message["status"] == _GONE
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if session in mine:
                mine[session] -= 1
            if ended:
                self._forget(user, session)

    async def _make_room(self, scope: Scope) -> None:
        """End a session. If all are in use, the SDK refuses the new one."""
        for user in sorted(self._held, key=lambda one: -len(self._held[one])):
            found = next((one for one, uses in self._held[user].items() if not uses), "")
            if found:
                owner = self._users.get(user)
                # Forget it first, so that nobody else chooses it too.
                self._forget(user, found)
                self._ending.add(found)
                try:
                    await self._end(owner, found, scope)
                finally:
                    self._ending.discard(found)
                return

    async def _end(self, owner: object, session: str, scope: Scope) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_: Message) -> None:
            return None

        changed: dict[str, str | None] = {_ID: session, "content-length": "0"}
        # The SDK lets only the user of a session end it.
        own = {**with_headers(scope, changed), "method": "DELETE", "user": owner}
        if own["user"] is None:
            del own["user"]
        await self._app(own, receive, send)

    def _forget(self, user: str, session: str) -> None:
        if self._held[user].pop(session, None) is not None:
            self._count -= 1
        if not self._held[user]:
            del self._held[user]
            self._users.pop(user, None)


def _has_sessions(scope: Scope) -> bool:
    """Whether a request is of a version of MCP with sessions, as the SDK decides it."""
    version = Headers(scope=scope).get(_VERSION)
    return version is None or version in HANDSHAKE_PROTOCOL_VERSIONS
