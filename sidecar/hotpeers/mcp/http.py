"""Serves an MCP server over streamable HTTP: its port, its limits and its bearer token."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn
from aiohttp import web
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..base.errors import ListenError
from ..base.settings import Listen
from .fair_sessions import FairSessions
from .sessions import Sessions
from .streams import Streams

logger = logging.getLogger(__name__)

PATH = "/mcp"
HEALTH = "/healthz"
_MAX_REQUEST_BYTES = 256 * 1024
# Clients should close idle connections first; they do so after 5 s (httpx) or 15 s (aiohttp). If the
# server closes first, a request that is sent at that moment can be lost.
_IDLE_SECONDS = 20
# uvicorn has no event that signals its start, so poll.
_LOOK_SECONDS = 0.01


def make_app(
    server: Any,
    listen: Listen,
    *,
    sessions: int,
    token_file: Path | None,
    routes: Sequence[Route] = (),
) -> ASGIApp:
    """The application of an `MCPServer` or lowlevel `Server`, at `PATH`, with `HEALTH` beside it.

    `sessions` limits the MCP sessions at one time; a client goes on with one that was lost. With
    `token_file`, callers need its token. `routes` are further routes.
    """

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    app = server.streamable_http_app(
        streamable_http_path=PATH,
        # Answer with a stream: kagent's Go runtime (go-sdk 1.8) repeats a request if its JSON answer
        # is cut off.
        json_response=False,
        max_request_body_size=_MAX_REQUEST_BYTES,
        max_sessions=sessions,
        # For a loopback address, the SDK enables its Host and Origin checks against DNS rebinding.
        host=listen.host or "0.0.0.0",  # noqa: S104 - only compared with
    )
    app.router.routes += [Route(HEALTH, health, methods=["GET"]), *routes]
    fair = FairSessions(app, PATH, sessions)
    resumed = Streams(Sessions(fair, PATH, sessions), PATH, _MAX_REQUEST_BYTES)
    return resumed if token_file is None else _Guarded(resumed, token_file)


def make_health_app() -> web.Application:
    """An application with `HEALTH` alone."""

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get(HEALTH, health)
    return app


class _Guarded:
    """Rejects requests without the bearer token. The token file is read for each request."""

    def __init__(self, app: ASGIApp, token_file: Path) -> None:
        self._app = app
        self._token_file = token_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != HEALTH and not await self._knows(scope):
            refusal = PlainTextResponse("a bearer token is needed\n", 401)
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _knows(self, scope: Scope) -> bool:
        try:
            token = (await asyncio.to_thread(self._token_file.read_text, "utf-8")).strip()
        except (OSError, ValueError) as error:
            logger.warning(
                "%s cannot be read, so every call is rejected: %s", self._token_file, error
            )
            return False
        # The file may contain "Bearer": kagent reads the whole header value from the same Secret.
        token = token.removeprefix("Bearer ").strip()
        kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), token.encode())
        return bool(token) and kind.lower() == "bearer" and same


class Closing:
    """Closes connections after their next answer, while `is_leaving`.

    A Service takes an ending pod out of new connections only: a client would send on over its old one.
    """

    def __init__(self, app: ASGIApp, is_leaving: Callable[[], bool]) -> None:
        self._app = app
        self._is_leaving = is_leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_leaving():
                kept = [one for one in message["headers"] if one[0].lower() != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def listening(
    app: ASGIApp,
    listen: Listen,
    listener: socket.socket | None = None,
    *,
    most_requests: int = 256,
) -> AsyncIterator[int]:
    """Serve while the context is open. Yields the port.

    `listener` is a socket that listens already; without one, `listen` is bound. `most_requests`
    limits the requests at one time; further ones are answered with 503. Raises `ListenError`.
    """
    with listener or _bind(listen) as bound:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=_IDLE_SECONDS,
            limit_concurrency=most_requests,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[bound]), name="mcp")
        try:
            while not server.started:
                if running.done():
                    raise ListenError(f"cannot serve on {listen}: the server did not start")
                await asyncio.sleep(_LOOK_SECONDS)
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            await running


def _bind(listen: Listen) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is given here. Without it, answers wait for 40 ms.
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((listen.host, listen.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        message = f"cannot listen on {listen}: {error.strerror or error}"
        raise ListenError(f"{message}; choose another with --listen (HOTPEERS_LISTEN)") from error
    return listener
