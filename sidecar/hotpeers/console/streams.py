"""Server-sent events: tells each open page that something it may show has changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from hotpeers_shim.contract import clean_text

from ..kube.errors import KubeError
from .world import Visible, World

BEAT_SECONDS = 15.0
"""A comment is sent at least this often, so that proxies keep the connection. Rights are checked then."""
_LOOK_SECONDS = 0.5
RETRY_MILLISECONDS = 1_000
MOST, MOST_OF_A_SESSION = 1_000, 16
"""The most open streams of all sessions, and of one."""

VisibleNow = Callable[[], Awaitable[Visible | None]]
"""The namespaces that a session may see; None if it has ended. Raises `KubeError`."""


class Streams:
    """The open streams. An event has no content but the version: the page then asks for itself again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: Counter[bytes] = Counter()

    @property
    def number(self) -> int:
        """How many are open."""
        return self._open.total()

    async def serve(
        self, request: web.Request, key: bytes, visible_now: VisibleNow
    ) -> web.StreamResponse:
        """Send events until the browser goes or the session with this key ends. Raises `KubeError`.

        The first event is sent at once if the version that the page has is not the newest.
        """
        if self.number >= MOST or self._open[key] >= MOST_OF_A_SESSION:
            text = "too many pages are open; this one does not update itself\n"
            return web.Response(text=text, status=503, headers={"Retry-After": "10"})
        # Counted before anything is waited for, so that streams that open together are all counted.
        self._open[key] += 1
        try:
            return await self._serve(request, visible_now)
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    async def _serve(self, request: web.Request, visible_now: VisibleNow) -> web.StreamResponse:
        visible = await visible_now()
        if visible is None:
            return web.Response(text="signed out\n", status=401)
        response = web.StreamResponse(
            # Some proxies would else collect the events.
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        await response.write(f"retry: {RETRY_MILLISECONDS}\n\n".encode())
        seen = request.headers.get("Last-Event-ID") or request.query.get("since", "")
        with suppress(ConnectionError, KubeError):
            await self._send(request, response, visible_now, visible, clean_text(seen, 100))
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        visible_now: VisibleNow,
        visible: Visible | None,
        seen: str,
    ) -> None:
        while visible is not None:
            news = asyncio.ensure_future(self._world.changes())
            try:
                version = self._world.version(visible)
                if version != seen:
                    await response.write(
                        f"id: {version}\nevent: change\ndata: {version}\n\n".encode()
                    )
                    seen = version
                changed = await _wait(request, news)
            finally:
                news.cancel()
            if not changed:
                await response.write(b": beat\n\n")
            visible = await visible_now()
        await response.write(b"event: end\ndata: signed-out\n\n")


async def _wait(request: web.Request, news: asyncio.Future[None]) -> bool:
    """Wait for news until a beat is due. Returns whether there are some.

    Raises `ConnectionError` soon after the browser has gone: a user who goes from page to page would
    else have more streams than he may.
    """
    until = asyncio.get_running_loop().time() + BEAT_SECONDS
    while (left := until - asyncio.get_running_loop().time()) > 0:
        done, _ = await asyncio.wait({news}, timeout=min(left, _LOOK_SECONDS))
        if done:
            return True
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError
    return False
