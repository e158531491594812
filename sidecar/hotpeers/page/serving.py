"""Serves the files that pages refer to."""

from __future__ import annotations

from aiohttp import web

from .assets import assets

PATH = "/static/{name}"


async def serve_asset(request: web.Request) -> web.Response:
    """The handler for `PATH`. Raises `HTTPNotFound`."""
    asset = assets().get(request.match_info["name"])
    if asset is None:
        raise web.HTTPNotFound
    # The digest in the URL changes with the content.
    newest = request.query.get("v") == asset.digest
    kept = "public, max-age=31536000, immutable" if newest else "no-cache"
    headers = {"Content-Type": f"{asset.content_type}; charset=utf-8", "Cache-Control": kept}
    return web.Response(body=asset.body, headers=headers)
