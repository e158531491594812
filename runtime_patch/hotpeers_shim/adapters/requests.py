"""Counts the requests of an ASGI application as turns, and moves clients on while the pod drains.

`starlette.applications.Starlette.__call__` is the one place that every request passes: FastAPI, the
applications of a2a-sdk, `adk api_server` and kagent's are all Starlette's (0.36 to 0.50). It returns when the
answer has been sent to its end. An agent that is served otherwise is known by its invocations alone.
"""

from __future__ import annotations

import functools
import logging
from types import ModuleType
from typing import Any

from .. import turns

logger = logging.getLogger("hotpeers_shim")

_SEEN = "hotpeers.seen"
"""In the scope of a request that is counted: an application may be mounted in another one."""
_failed: set[str] = set()


def hook_starlette(module: ModuleType) -> None:
    """Wrap `Starlette.__call__`: each POST and each websocket is a turn."""
    original = module.Starlette.__call__

    @functools.wraps(original)
    async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: N807
        hold = None
        try:
            if scope["type"] != "lifespan" and _SEEN not in scope:
                scope[_SEEN] = True
                hold, send = _watch(scope, send)
        except Exception as error:  # noqa: BLE001 - the request is served, whatever is wrong here
            _note(error)
        try:
            await original(self, scope, receive, send)
        finally:
            if hold is not None:
                hold.end()

    module.Starlette.__call__ = __call__


def _watch(scope: Any, send: Any) -> tuple[turns.Hold | None, Any]:
    """Hold the turn of a request, if it is one; and what sends its answer."""
    state = turns.get()
    state.start()
    is_http = scope["type"] == "http"
    hold = None
    if not is_http or scope.get("method") == "POST":
        hold = state.begin()
        # Not reset: the task of this request ends with it, or the next one sets its own.
        turns.current.set(hold.turn)
    # A connection of HTTP/2 knows no such header, and no other server than of HTTP/1 ends by it.
    if is_http and str(scope.get("http_version", "")).startswith("1"):
        send = _closing(send, state)
    return hold, send


def _closing(send: Any, state: turns.Turnstile) -> Any:
    """Send an answer; while the pod drains, as the last one of its connection."""

    async def closing(message: Any) -> None:
        if state.draining and message["type"] == "http.response.start":
            headers = [
                one for one in message.get("headers") or () if one[0].lower() != b"connection"
            ]
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await send(message)

    return closing


def _note(error: Exception) -> None:
    what = f"{type(error).__name__}: {error}"
    if what not in _failed and len(_failed) < 10:
        _failed.add(what)
        logger.error("a request is not counted as a turn: %s", what, exc_info=error)
