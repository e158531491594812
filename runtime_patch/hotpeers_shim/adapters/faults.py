"""What an exception of a call means: which word of the contract, and which sentence for the model."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from ..contract import CallProblem, clean_text
from .routes import PROXY
from .transport import TooLarge, Unreadable
from .wire import CardRefused

_HINTS = {
    401: "it asks for credentials",
    403: "it does not allow this call",
    404: "nothing answers at this address",
    429: "it has too many requests",
}
# There is no code for it: servers say "unknown contextId", "context not found" and the like. kagent 1.x
# does not tell a session that is gone from one of another user (`a2agateway/gateway.go`). What says
# "context deadline exceeded" or "maximum context length" has looked at the message.
CONTEXT_GONE = re.compile(
    r"\bcontext[ _-]?id\b|not authori[sz]ed"
    r"|\b(unknown|invalid|no|no such) (context|session)\b(?! (length|window))"
    r"|\b(context|session)\b(?! (length|window|deadline|cancel))"
    r".{0,80}\b(not found|unknown|not exist|does not|expired)",
    re.IGNORECASE,
)
TASK_GONE = re.compile(r"\btask\b.*\b(not found|terminal state)\b", re.IGNORECASE)


# What a proxy answers itself, where it reaches nothing or wants to know who asks.
_OF_PROXIES = (403, 407, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `unsent` is true where the request cannot have reached the peer.

    `busy` is true where it did, and the peer says that it has not accepted it and may later on.
    """

    problem: CallProblem
    text: str
    unsent: bool = False
    busy: bool = False


def explain(error: BaseException) -> Fault:
    """Find the first exception of a chain that says what went wrong."""
    for one in _chain(error):
        fault = _of_limits(one) or _of_busy(one) or _of_http(one) or _of_grpc(one)
        if fault is not None:
            return fault
    for one in _chain(error):
        if isinstance(one, ValueError | TypeError | KeyError | AttributeError):
            # A ValueError, too: pydantic's ValidationError, JSONDecodeError, UnicodeDecodeError.
            text = f"its answer does not follow the A2A protocol: {_first_line(one)}"
            return Fault(CallProblem.ANSWER_INVALID, text)
        if type(one).__name__ in ("SSEError", "ParseError", "A2AClientJSONError"):
            return Fault(
                CallProblem.ANSWER_INVALID, f"its answer cannot be read: {_first_line(one)}"
            )
    return Fault(CallProblem.REFUSED, _first_line(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _of_limits(error: BaseException) -> Fault | None:
    if isinstance(error, TooLarge):
        return Fault(CallProblem.ANSWER_TOO_LARGE, str(error))
    if isinstance(error, Unreadable | CardRefused):
        return Fault(CallProblem.ANSWER_INVALID, str(error))
    return None


def _of_busy(error: BaseException) -> Fault | None:
    """kagent 1.x: "a rejected send" that "clients may retry with the same message" (a2a-sdk 1.x only)."""
    data = getattr(error, "data", None)
    if not isinstance(data, dict) or data.get("reason") != "KAGENT_SEND_NOT_ACCEPTED":
        return None
    return Fault(CallProblem.REFUSED, _first_line(error), unsent=True, busy=True)


def _of_http(error: BaseException) -> Fault | None:
    if isinstance(error, httpx.HTTPStatusError):
        return _of_status(error.response)
    if isinstance(error, httpx.ProxyError):
        refused = any(isinstance(one, ssl.SSLError) for one in _chain(error))
        text = f"no connection could be made: {_first_line(error)}"
        return Fault(CallProblem.UNREACHABLE, text, unsent=not refused)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        refused = any(isinstance(one, ssl.SSLError) for one in _chain(error))
        text = f"no connection could be made: {_of_system(error) or _first_line(error)}"
        return Fault(CallProblem.UNREACHABLE, text, unsent=not refused)
    if isinstance(error, httpx.TransportError):
        text = f"the connection was lost: {_first_line(error)}"
        return Fault(CallProblem.UNREACHABLE, text)
    return None


def _of_system(error: BaseException) -> str:
    """What the operating system says, such as "Connection refused"; "" where it was not asked."""
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    # asyncio puts a text of its own beside the number; those of a name server are below zero.
    said = [
        os.strerror(one.errno) if one.errno > 0 else str(one.strerror)
        for one in _chain(error)
        if isinstance(one, OSError) and one.errno
    ]
    return clean_text(said[-1], 200) if said else ""


def _of_status(response: httpx.Response) -> Fault:
    status, proxy = response.status_code, response.extensions.get(PROXY)
    answered = f"HTTP status {f'{status} {response.reason_phrase}'.strip()}"
    if proxy and status in _OF_PROXIES:
        text = f"{answered} came from the peer or from the proxy {proxy}"
        if status == 407:
            text = f"the proxy {proxy} answered with {answered}"
        return Fault(CallProblem.UNREACHABLE, text)
    reason = _said(response) or _HINTS.get(status, "")
    text = f"it answered with {answered}"
    return Fault(CallProblem.REFUSED, f"{text}: {reason}" if reason else text)


def _said(response: httpx.Response) -> str:
    """The message in the JSON of an error, as A2A over HTTP+JSON and web frameworks have it; or ""."""
    try:
        found = response.json()
    except (ValueError, RecursionError, httpx.StreamError):
        return ""
    found = found.get("error") or found if isinstance(found, dict) else None
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail") or found.get("title")
    return clean_text(found, 300) if isinstance(found, str) else ""


def _of_grpc(error: BaseException) -> Fault | None:
    """Of `grpc.aio.AioRpcError`, told by its module: grpc may not be there to ask."""
    code: Any = getattr(error, "code", None)
    if not type(error).__module__.startswith("grpc") or not callable(code):
        return None
    name, details = code().name, clean_text(str(error.details() or ""), 300)  # type: ignore[attr-defined]
    if name == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return Fault(CallProblem.ANSWER_TOO_LARGE, f"its answer is too large: {details}")
    if name == "UNAVAILABLE":
        unsent = "failed to connect" in details.lower()
        text = f"no connection could be made: {details}"
        return Fault(CallProblem.UNREACHABLE, text, unsent=unsent)
    return Fault(CallProblem.REFUSED, f"it answered with gRPC status {name}: {details}")


def _first_line(error: BaseException) -> str:
    """The message of an exception in one line; pydantic's without its links."""
    errors = getattr(error, "errors", None)
    if callable(errors) and hasattr(error, "error_count"):
        try:
            first = errors()[0]
            where = ".".join(map(str, first.get("loc", ())))
            return clean_text(f"{where}: {first.get('msg')}", 300)
        except Exception:  # noqa: BLE001 - whatever it is, its text will do
            return clean_text(str(error), 300)
    if isinstance(error, json.JSONDecodeError):
        return clean_text(f"{error.msg} at character {error.pos}", 300)
    message = getattr(getattr(error, "error", None), "message", None)
    text = message if isinstance(message, str) and message else str(error)
    return clean_text(text, 500) or type(error).__name__
