"""Turns an exception of a call into a `CallProblem` and a sentence for the model."""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
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
# A2A has no error code for this: servers say "unknown contextId", "context not found" and the like.
# kagent 1.x gives the same answer for a missing session and for another user's session
# (`a2agateway/gateway.go`). "context deadline exceeded" and "maximum context length" do not match:
# a peer that says so has processed the message.
CONTEXT_GONE = re.compile(
    r"\bcontext[ _-]?id\b|not authori[sz]ed"
    r"|\b(unknown|invalid|no|no such) (context|session)\b(?! (length|window))"
    r"|\b(context|session)\b(?! (length|window|deadline|cancel))"
    r".{0,80}\b(not found|unknown|not exist|does not|expired)",
    re.IGNORECASE,
)
TASK_GONE = re.compile(r"\btask\b.*\b(not found|terminal state)\b", re.IGNORECASE)


# With Retry-After, they say that the request was not processed, and when to send it again (RFC 9110, 10.2.3).
_NOT_PROCESSED = (429, 503)
# The statuses that a proxy itself sends: it cannot reach the peer, or it denies the request.
_OF_PROXIES = (403, 407, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `unsent` is true if the message can be sent again: the peer has not taken it.

    `busy` is true if the peer got the message, did not accept it, and may accept it later. `pause` is
    the number of seconds that it asks to wait before that, 0 if it says none.
    """

    problem: CallProblem
    text: str
    unsent: bool = False
    busy: bool = False
    pause: float = 0.0


def explain(error: BaseException) -> Fault:
    """Explain an exception by the first one in its chain that is recognized."""
    for one in _chain(error):
        fault = _of_limits(one) or _of_busy(one) or _of_http(one) or _of_grpc(one)
        if fault is not None:
            return fault
    for one in _chain(error):
        if isinstance(one, ValueError | TypeError | KeyError | AttributeError):
            # ValueError includes pydantic's ValidationError, JSONDecodeError, UnicodeDecodeError.
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
    """kagent 1.x did not accept a message: "clients may retry with the same message".

    kagent calls this "a rejected send". It happens while another message of the same conversation
    runs, or while the agent's sandbox wakes. Only the errors of a2a-sdk 1.x carry its reason.
    """
    data = getattr(error, "data", None)
    if not isinstance(data, dict) or data.get("reason") != "KAGENT_SEND_NOT_ACCEPTED":
        return None
    text = (
        "it is busy, perhaps with an earlier message of this conversation, and did not accept the "
        f"message ({_first_line(error).rstrip('.')}); nothing was done, so it may be asked again later"
    )
    pause = _seconds(data.get("retryAfterMs"))
    return Fault(CallProblem.REFUSED, text, unsent=True, busy=True, pause=pause)


def _seconds(milliseconds: Any) -> float:
    """The wait that a peer asks for: a number, or digits in a text; 0 for anything else."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, str | int | float):
        return 0.0
    try:
        seconds = float(milliseconds) / 1000
    except (ValueError, OverflowError):
        return 0.0
    return seconds if 0 < seconds < float("inf") else 0.0


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
    """The error text of the operating system, such as "Connection refused"; "" if it has none."""
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    # asyncio replaces the text of an errno with its own. Errors of name resolution are negative.
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
    text = f"it answered with {answered}" + (f": {reason}" if reason else "")
    pause = _retry_after(response) if status in _NOT_PROCESSED else None
    if pause is None:
        return Fault(CallProblem.REFUSED, text)
    return Fault(CallProblem.REFUSED, text, unsent=True, busy=True, pause=pause)


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds until the time of the header Retry-After; None if it is missing or malformed."""
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _said(response: httpx.Response) -> str:
    """The message in a JSON error of A2A over HTTP+JSON or of a web framework; "" without one."""
    try:
        found = response.json()
    except (ValueError, RecursionError, httpx.StreamError):
        return ""
    found = found.get("error") or found if isinstance(found, dict) else None
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail") or found.get("title")
    return clean_text(found, 300) if isinstance(found, str) else ""


def _of_grpc(error: BaseException) -> Fault | None:
    """Explain a `grpc.aio.AioRpcError`. Its module identifies it: grpc may not be installed."""
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
    """The message of an exception in one line, without the links that pydantic adds."""
    errors = getattr(error, "errors", None)
    if callable(errors) and hasattr(error, "error_count"):
        try:
            first = errors()[0]
            where = ".".join(map(str, first.get("loc", ())))
            return clean_text(f"{where}: {first.get('msg')}", 300)
        except Exception:  # noqa: BLE001 - then use the plain text of the exception
            return clean_text(str(error), 300)
    if isinstance(error, json.JSONDecodeError):
        return clean_text(f"{error.msg} at character {error.pos}", 300)
    message = getattr(getattr(error, "error", None), "message", None)
    text = message if isinstance(message, str) and message else str(error)
    return clean_text(text, 500) or type(error).__name__
