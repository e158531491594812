"""The HTTP endpoints: `/healthz`, `/readyz`, `/metrics`, `/status`, `/drain` and an HTML page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from ...base.health import health_routes
from ...base.hosts import make_host_check
from ...page.headers import SECURITY_HEADERS
from ...page.serving import PATH as ASSET_PATH
from ...page.serving import serve_asset
from ..drain import Drain, Outcome
from .document import Status
from .metrics import Metrics


def make_app(
    status: Callable[[], Status],
    metrics: Metrics,
    hosts: frozenset[str] = frozenset(),
    drain: Drain | None = None,
) -> web.Application:
    """The HTTP application. Each request calls `status` for the newest status.

    `hosts` are additional Host names to accept (see the module `hosts`). With a `drain`, `/drain`
    answers when the agent's turns have ended, and `/drain?until=ended` when its processes have
    ended.
    """

    def unready() -> str:
        return "" if status().ready else "no complete list of peers was written yet"

    def metrics_text() -> bytes:
        metrics.show(status())
        return metrics.text()

    async def show_status(_: web.Request) -> web.Response:
        return web.json_response(status().document())

    async def page(_: web.Request) -> web.Response:
        # Loads Jinja2, which takes memory that a sidecar without readers does not need.
        from .page import render_page  # noqa: PLC0415

        return web.Response(text=render_page(status().document()), content_type="text/html")

    app = web.Application(middlewares=[_add_headers, make_host_check(hosts)])
    app.add_routes(health_routes(unready, metrics_text))
    app.router.add_get("/status", show_status)
    if drain is not None:
        app.router.add_get("/drain", _make_drain(drain, metrics), allow_head=False)
    app.router.add_get("/", page)
    app.router.add_get(ASSET_PATH, serve_asset)
    return app


def _make_drain(
    drain: Drain, metrics: Metrics
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def wait(request: web.Request) -> web.StreamResponse:
        def is_gone() -> bool:
            return request.transport is None or request.transport.is_closing()

        until_ended = request.query.get("until") == "ended"
        ended = await drain.wait(until_ended=until_ended, is_gone=is_gone)
        if ended.outcome is not Outcome.OFF:
            metrics.drained(ended.outcome.value)
        return web.Response(text=f"{ended}\n")

    return wait


@web.middleware
async def _add_headers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    response = await handler(request)
    response.headers.update(SECURITY_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
