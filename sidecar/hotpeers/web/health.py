"""`/healthz`, `/readyz` and `/metrics` of a process that has no status to show."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from .serving import METRICS_TYPE


def make_health_app(unready: Callable[[], str], metrics: Callable[[], bytes]) -> web.Application:
    """The application; `unready` says on each request why it is not ready, "" where it is."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        why = unready()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": METRICS_TYPE})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", show_metrics)
    return app
