"""The controller's `/healthz`, `/readyz`, `/metrics` and `/status`: it has no peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..base.http import METRICS_TYPE


def make_health_app(
    unready: Callable[[], str],
    metrics: Callable[[], bytes],
    status: Callable[[], dict[str, Any]],
) -> web.Application:
    """The application. `unready` is called per request, and returns why it is not ready, or ""."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        why = unready()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": METRICS_TYPE})

    async def show_status(_: web.Request) -> web.Response:
        return web.json_response(status())

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/status", show_status)
    return app
