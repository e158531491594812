"""The endpoints `/healthz`, `/readyz` and `/metrics` of every process that serves."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(unready: Callable[[], str], metrics: Callable[[], bytes]) -> list[web.RouteDef]:
    """The routes. Both are called per request: `unready` returns why the process is not ready, or ""."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        why = unready()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": METRICS_TYPE})

    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", show_metrics),
    ]
