"""Serves an orchestrator's peer file over HTTP, for agents that cannot have a sidecar.

`GET /v1/peers` answers with the file and an `ETag`. With `If-None-Match` it answers 304 if the list
is the same. With `Prefer: wait=SECONDS` as well, it first waits that long for another list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from hotpeers_shim.contract import peer_file_parts

from .tenant import Tenant

PEERS = "/v1/peers"
MAX_WAIT_SECONDS = 60.0
MAX_WAITING = 64
"""The largest number of requests of one orchestrator that wait at one time."""
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)


def peer_list_route(find: Callable[[Mapping[str, str]], Tenant]) -> Route:
    """The route. `find` returns the orchestrator of a request, by its headers."""
    waiting: dict[str, int] = {}

    async def show(request: Request) -> Response:
        tenant = find(request.headers)
        uid = tenant.orchestrator.uid
        known = _digest(request.headers.get("if-none-match", ""))
        seconds = _wait(request.headers.get("prefer", ""))
        if known and seconds and tenant.catalog().digest == known:
            if waiting.get(uid, 0) >= MAX_WAITING:
                text = f"{MAX_WAITING} requests of this orchestrator wait already\n"
                return PlainTextResponse(text, 429, {"Retry-After": "5"})
            waiting[uid] = waiting.get(uid, 0) + 1
            try:
                await tenant.wait_for_other(known, seconds)
            finally:
                waiting[uid] -= 1
                if not waiting[uid]:
                    del waiting[uid]
        digest = tenant.catalog().digest
        headers = {"ETag": f'"{digest}"', "Cache-Control": "no-store"}
        if known == digest:
            return Response(status_code=304, headers=headers)
        parts = peer_file_parts(
            generation=tenant.catalog().generation or 1,
            orchestrator=tenant.title,
            digest=digest,
            # The list of the next change is another object, but this one is updated in place.
            peers=tuple(tenant.offer.encoded),
        )
        return StreamingResponse(iter(list(parts)), headers=headers, media_type="application/json")

    return Route(PEERS, show, methods=["GET"])


def _digest(if_none_match: str) -> str:
    first = if_none_match.split(",", 1)[0].strip()
    return first.removeprefix("W/").strip('"')


def _wait(prefer: str) -> float:
    found = _WAIT.search(prefer)
    return min(float(found.group(1)), MAX_WAIT_SECONDS) if found else 0.0
