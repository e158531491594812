"""Records the tools that each request offered to a model. The demonstration checks these facts."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotpeers_demo.script import last_user_text, offered_names

_KEPT = 20_000


class ModelLog:
    """The latest requests to a model, numbered from 1, served at `/log?after=N`."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._count = 0

    def record(self, body: Mapping[str, Any]) -> None:
        """Record the time, the turn and the offered tools of one request."""
        self._count += 1
        self._entries.append(
            {
                "number": self._count,
                "time": time.time(),
                "user": last_user_text(body.get("messages") or ()),
                "tools": offered_names(body.get("tools") or ()),
            }
        )

    def route(self) -> Route:
        """Return the route that serves the log."""
        return Route("/log", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> JSONResponse:
        after = int(request.query_params.get("after", "0"))
        later: list[dict[str, Any]] = []
        for entry in reversed(self._entries):
            if entry["number"] <= after:
                break
            later.append(entry)
        return JSONResponse({"requests": later[::-1], "count": self._count})
