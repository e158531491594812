"""The errors of requests to an API server: the only errors that this package raises for them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from hotpeers_shim.contract import clean_text

from .reasons import KubeReason

_MAX_MESSAGE = 300
_MAX_DETAIL = 4096


class KubeError(Exception):
    """A request failed. `status` is the HTTP status; 0 without an answer.

    `detail` is the server's message with a higher length limit, for debugging the request.
    """

    reason = KubeReason.API_FAILED

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(clean_text(message, _MAX_MESSAGE))
        self.detail = clean_text(message, _MAX_DETAIL)
        self.status = status
        self.retry_after = retry_after


class UnauthorizedError(KubeError):
    """401: the credentials are missing, wrong or expired."""

    reason = KubeReason.UNAUTHORIZED


class ForbiddenError(KubeError):
    """403: the account may not do this."""

    reason = KubeReason.FORBIDDEN


class NotFoundError(KubeError):
    """404: no such object, or no such kind of object."""

    reason = KubeReason.NOT_SERVED


class ConflictError(KubeError):
    """409: the object was changed or replaced, or it exists already."""


class GoneError(KubeError):
    """410: the resource version is too old to continue from."""

    reason = KubeReason.WATCH_EXPIRED


class BusyError(KubeError):
    """429: too many requests; `retry_after` is the wait in seconds that the server requests."""

    reason = KubeReason.API_BUSY


class ServerError(KubeError):
    """5xx: the server could not answer."""


class TooLargeError(KubeError):
    """The answer is larger than the limit for reading into memory."""


class UnreachableError(KubeError):
    """The connection to the server failed or was lost."""

    reason = KubeReason.API_UNREACHABLE


class SilentError(UnreachableError):
    """The server sent nothing for longer than a working connection can be silent."""

    reason = KubeReason.WATCH_SILENT


_BY_STATUS: dict[int, type[KubeError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    429: BusyError,
}


def error_of(status: int, body: bytes = b"", retry_after: str = "") -> KubeError:
    """The error for an HTTP answer, with the server's message if it sent one."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else KubeError)
    wait = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return kind(_message(body) or f"status {status}", status, min(wait, 300.0))


def error_of_event(status: object) -> KubeError:
    """The error for an ERROR event of a watch; `status` is the object of the event."""
    data = status if isinstance(status, dict) else {}
    code = data.get("code")
    code = code if isinstance(code, int) else 500
    kind = _BY_STATUS.get(code, ServerError if code >= 500 else KubeError)
    return kind(str(data.get("message") or "the watch ended with an error"), code)


@contextmanager
def translated() -> Iterator[None]:
    """Convert errors of the client and its libraries to a `KubeError`, with the error as cause."""
    try:
        yield
    except (TimeoutError, aiohttp.ServerTimeoutError) as error:
        raise SilentError("no answer in time") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise UnreachableError(f"its certificate is not trusted: {error}") from error
    except (aiohttp.ClientError, ssl.SSLError, OSError, EOFError) as error:
        raise UnreachableError(_plainly(error)) from error
    # aiohttp and json raise ValueError for an invalid header or answer.
    except ValueError as error:
        raise KubeError(f"not understood: {error}") from error


def _message(body: bytes) -> str:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").strip()
    return str(data.get("message") or "") if isinstance(data, dict) else ""


def _plainly(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    return str(error) or type(error).__name__
