"""Serves an orchestrator's peer file over HTTP, for agents that cannot have a sidecar.

`hotpeers_shim.contract.feed` has the rules of it, which the shim follows too.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from hotpeers_shim.contract import peer_file_parts
from hotpeers_shim.contract.feed import FEED_PATH, etag_of, is_known, wait_of

from .tenant import Tenant

MAX_WAITING = 64
"""The largest number of requests of one orchestrator that wait at one time."""
MAX_WAITING_IN_ALL = 2048
"""The same, of all orchestrators: the rest of the hub's requests is for tools."""


class PeerLists:
    """Serves the lists. `find` returns the orchestrator of a request, None if no one has its token."""

    def __init__(self, find: Callable[[Mapping[str, str]], Tenant | None]) -> None:
        self._find = find
        self._waiting: Counter[str] = Counter()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Answer the requests that wait, and let none wait any more: the hub ends."""
        self._leaving.set()

    @property
    def waiting(self) -> int:
        """How many requests wait now."""
        return self._waiting.total()

    def route(self) -> Route:
        """The route of `FEED_PATH`."""
        return Route(FEED_PATH, self._show, methods=["GET"])

    async def _show(self, request: Request) -> Response:
        tenant = self._find(request.headers)
        tags = request.headers.get("if-none-match", "")
        end = time.monotonic() + wait_of(request.headers.getlist("prefer"))
        while tenant is not None:
            catalog = tenant.catalog()
            if not is_known(tags, catalog.digest):
                return _list_of(tenant)
            left = end - time.monotonic()
            if left <= 0 or self._leaving.is_set():
                # The next connection reaches another replica.
                close = {"Connection": "close"} if self._leaving.is_set() else {}
                return Response(status_code=304, headers=_headers(catalog.digest) | close)
            uid = tenant.orchestrator.uid
            if self._waiting[uid] >= MAX_WAITING or self.waiting >= MAX_WAITING_IN_ALL:
                text = "too many requests wait already\n"
                return PlainTextResponse(text, 429, {"Retry-After": "5"})
            self._waiting[uid] += 1
            try:
                if not await self._wait(tenant, request, left):
                    return Response()
            finally:
                self._waiting[uid] -= 1
                if not self._waiting[uid]:
                    del self._waiting[uid]
            # The token may have been replaced, or the Orchestrator deleted.
            tenant = self._find(request.headers)
        text = "the token is no longer one of an orchestrator\n"
        return PlainTextResponse(text, 401, {"WWW-Authenticate": "Bearer"})

    async def _wait(self, tenant: Tenant, request: Request, seconds: float) -> bool:
        """Wait until something changes, at most `seconds`. Returns whether the client is there."""
        works = {
            "change": tenant.wait_for_change(seconds),
            "client": _until_gone(request),
            "end": self._leaving.wait(),
        }
        tasks = {name: asyncio.create_task(work, name=name) for name, work in works.items()}
        try:
            await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            return not tasks["client"].done()
        finally:
            for task in tasks.values():
                task.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _list_of(tenant: Tenant) -> Response:
    digest = tenant.catalog().digest
    parts = peer_file_parts(
        generation=tenant.generation,
        orchestrator=tenant.title,
        digest=digest,
        # The list of the next change is another object, but this one is updated in place.
        peers=tuple(tenant.offer.encoded),
    )
    return StreamingResponse(
        iter(list(parts)), headers=_headers(digest), media_type="application/json"
    )


def _headers(digest: str) -> dict[str, str]:
    return {"ETag": etag_of(digest), "Cache-Control": "no-store"}
