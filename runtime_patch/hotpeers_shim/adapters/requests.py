"""Counts the requests of an ASGI application as turns, and closes connections while the pod drains.
It also reads the header with the lineage of a request (`incoming`).

Every request goes through `starlette.applications.Starlette.__call__`: FastAPI and the applications
of a2a-sdk, `adk api_server` and kagent all use Starlette (0.36 to 0.50). The call returns after the
whole answer has been sent. For an agent on another server, only the invocations are counted.
"""

from __future__ import annotations

import functools
import logging
from types import ModuleType
from typing import Any

from .. import turns
from . import incoming

logger = logging.getLogger("hotpeers_shim")

_SEEN = "hotpeers.seen"
"""A mark in the scope of a counted request. An application may be mounted in another one."""
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
                incoming.note_request(scope)
                hold, send = _watch(scope, send)
        except Exception as error:  # noqa: BLE001 - a fault here must not fail the request
            _note(error)
        try:
            await original(self, scope, receive, send)
        finally:
            if hold is not None:
                hold.end()

    module.Starlette.__call__ = __call__


def _watch(scope: Any, send: Any) -> tuple[turns.Hold | None, Any]:
    """Start the turn of a request. Returns its hold and the `send` to use.

    The hold is None for a request that is not counted, such as a GET.
    """
    state = turns.get()
    state.start()
    is_http = scope["type"] == "http"
    hold = None
    if not is_http or scope.get("method") == "POST":
        hold = state.begin()
        # Do not reset it: the task ends with this request, or the next request sets a new value.
        turns.current.set(hold.turn)
    # Only HTTP/1 has the header `Connection: close`.
    if is_http and str(scope.get("http_version", "")).startswith("1"):
        send = _closing(send, state)
    return hold, send


def _closing(send: Any, state: turns.Turnstile) -> Any:
    """A `send` that adds `Connection: close` to the answer while the pod drains."""

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
