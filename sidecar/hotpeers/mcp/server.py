"""Serves the tools over streamable HTTP until the process gets a signal to end."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path

import uvicorn
from aiohttp import web
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ..base.errors import ListenError
from ..base.http import serve as serve_app
from ..base.settings import Listen
from ..base.signals import Stop, raise_at_signal
from ..kube.client import Client
from ..kube.connection import Access, connect
from ..registry.client import Registry
from .agents import Agents
from .catalogue import Catalogue
from .ephemeral import Ephemeral
from .offered import OfferReader
from .rights import Rights
from .settings import McpSettings
from .toolbox import Toolbox
from .tools import make_server

logger = logging.getLogger(__name__)

PATH = "/mcp"
_MAX_REQUEST_BYTES = 256 * 1024
_MAX_SESSIONS = 64
_HEALTH = "/healthz"
# Clients should close idle connections first; they do so after 5 s (httpx) or 15 s (aiohttp). If the
# server closes first, a request that is sent at that moment can be lost.
_IDLE_SECONDS = 20
# uvicorn has no event that signals its start, so poll.
_LOOK_SECONDS = 0.01


async def run_mcp(settings: McpSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises `HotpeersError` if it cannot start."""
    logger.info("hotpeers %s serves tools, process %d", __version__, os.getpid())
    signals = asyncio.create_task(raise_at_signal(), name="signals")
    try:
        async with serve(settings) as port:
            logger.info("tools at http://%s:%d%s", settings.listen.host or "*", port, PATH)
            await signals
    except Stop:
        logger.info("hotpeers ends: asked to")
    finally:
        signals.cancel()


@asynccontextmanager
async def serve(settings: McpSettings) -> AsyncIterator[int]:
    """Serve while the context is open. Yields the port."""
    async with AsyncExitStack() as stack:
        access = Access(settings.kubeconfig, settings.context)
        client = await stack.enter_async_context(Client(access, await connect(access)))
        registry = await stack.enter_async_context(
            Registry(settings.registry_url, settings.registry_token_file)
        )
        catalogue = await stack.enter_async_context(Catalogue(registry))
        home = settings.orchestrator.partition("/")[0]
        offers = None
        if settings.peer_file is not None and settings.ack_dir is not None:
            offers = OfferReader(settings.peer_file, settings.ack_dir)
        agents = Agents(client, settings.orchestrator)
        ephemeral = await stack.enter_async_context(Ephemeral(client, agents))
        here = settings.namespace or home or client.namespace

        def known() -> set[str]:
            return {here, home} | (offers.namespaces() if offers else set())

        toolbox = Toolbox(
            registry,
            catalogue,
            client,
            agents,
            ephemeral,
            here,
            Rights(client, known),
            offers,
        )
        app = _app(toolbox, settings)
        if settings.health_listen is not None:
            flag = "--health-listen (HOTPEERS_HEALTH_LISTEN)"
            await stack.enter_async_context(serve_app(_health(), settings.health_listen, flag))
        yield await stack.enter_async_context(_listening(app, settings.listen))


def _app(toolbox: Toolbox, settings: McpSettings) -> ASGIApp:
    server = make_server(toolbox)

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    server.custom_route(_HEALTH, methods=["GET"])(health)
    app: ASGIApp = server.streamable_http_app(
        streamable_http_path=PATH,
        # Answer with a stream, so that a disconnect of the caller is noticed. Also, kagent's Go
        # runtime (mcp 2.3 for Go) repeats a request if its JSON answer is cut off.
        json_response=False,
        max_request_body_size=_MAX_REQUEST_BYTES,
        max_sessions=_MAX_SESSIONS,
        # For a loopback address, the SDK enables its Host and Origin checks against DNS rebinding.
        host=settings.listen.host or "0.0.0.0",  # noqa: S104 - only compared with
    )
    return app if settings.token_file is None else _Guarded(app, settings.token_file)


def _health() -> web.Application:
    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get(_HEALTH, health)
    return app


class _Guarded:
    """Rejects requests without the bearer token. The token file is read for each request."""

    def __init__(self, app: ASGIApp, token_file: Path) -> None:
        self._app = app
        self._token_file = token_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != _HEALTH and not await self._knows(scope):
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


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def _listening(app: ASGIApp, listen: Listen) -> AsyncIterator[int]:
    with _bind(listen) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=_IDLE_SECONDS,
            limit_concurrency=256,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]), name="mcp")
        try:
            while not server.started:
                if running.done():
                    raise ListenError(f"cannot serve on {listen}: the server did not start")
                await asyncio.sleep(_LOOK_SECONDS)
            yield listener.getsockname()[1]
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
