"""OAuth2 access tokens: asked for before they are needed, and kept while they are valid."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from .. import __version__
from .authorities import server_context
from .document import OAuth2

logger = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=15.0, connect=5.0)
_MAX_BYTES = 256 * 1024
# The part of a token's life after which the next one is asked for, at the latest and at the earliest.
_LATEST, _EARLIEST = 0.8, 0.7
_DEFAULT_LIFE, _SHORTEST_LIFE, _LONGEST_LIFE = 300.0, 1.0, 86_400.0
# Not sent in the last moment of its life: it would end on its way.
_LAST_MOMENT = 0.05
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,12000}")
_CODE = re.compile(r"[a-z_]{1,40}")


class TokenError(Exception):
    """No token could be had; the message says why, and holds nothing that a server sent but its code."""


class TokenKeeper:
    """Keeps one access token fresh. `changed` is called after each change of `header` or `problem`."""

    def __init__(self, oauth2: OAuth2, changed: Callable[[], None]) -> None:
        self._oauth2 = oauth2
        self._changed = changed
        self._token = ""
        self._ends = 0.0
        self.problem = ""

    @property
    def header(self) -> str:
        """The value of Authorization; "" where no token is valid now."""
        return f"Bearer {self._token}" if self._token and time.monotonic() < self._ends else ""

    async def run(self) -> None:
        """Ask for tokens, for ever."""
        pause = _FIRST_PAUSE
        while True:
            try:
                token, life = await fetch_token(self._oauth2)
            except TokenError as error:
                self._note(f"{self._oauth2.token_url}: {error}")
                wait, pause = pause * random.uniform(0.5, 1.0), min(2 * pause, _LONGEST_PAUSE)  # noqa: S311 - jitter
                left = self._ends - time.monotonic()
                if self._token and left > 0:
                    # When it ends, whoever has it is to hear of it.
                    wait = min(wait, left)
                elif self._token:
                    self._token = ""
                    self._changed()
            else:
                self._token, self._ends = token, time.monotonic() + life * (1 - _LAST_MOMENT)
                self.problem = ""
                self._changed()
                wait, pause = life * random.uniform(_EARLIEST, _LATEST), _FIRST_PAUSE  # noqa: S311 - jitter
            await asyncio.sleep(wait)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._changed()


async def fetch_token(oauth2: OAuth2) -> tuple[str, float]:
    """Ask for an access token: the token, and its life in seconds. Raises `TokenError`."""
    url, headers, body = _request(oauth2)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True
            ) as session,
            session.post(
                url,
                data=body,
                headers=headers,
                ssl=server_context(oauth2.ca),
                allow_redirects=False,
            ) as response,
        ):
            raw = await response.content.read(_MAX_BYTES + 1)
            # `read` gives what has come so far.
            while len(raw) <= _MAX_BYTES and (more := await response.content.read(_MAX_BYTES)):
                raw += more
            status = response.status
    except TimeoutError:
        raise TokenError("no answer in time") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise TokenError(f"it cannot be reached: {plainly(error)}") from None
    if len(raw) > _MAX_BYTES:
        raise TokenError(f"its answer is larger than {_MAX_BYTES} bytes")
    return _answer(status, raw)


def _request(oauth2: OAuth2) -> tuple[str, dict[str, str], str]:
    # Imported late: few sidecars need it. It makes the request, and the sidecar's own HTTP sends it.
    from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]  # noqa: PLC0415
    from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]  # noqa: PLC0415
        prepare_token_request,
    )

    extra = {"audience": oauth2.audience} if oauth2.audience else {}
    body = prepare_token_request("client_credentials", scope=oauth2.scope or None, **extra)
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": f"hotpeers/{__version__}",
    }
    method = "client_secret_basic" if oauth2.authentication == "basic" else "client_secret_post"
    auth = ClientAuth(oauth2.client_id, oauth2.client_secret, method)
    url, headers, body = auth.prepare("POST", oauth2.token_url, headers, body)
    return url, headers, body


def _answer(status: int, raw: bytes) -> tuple[str, float]:
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise TokenError(f"it answers with HTTP status {status} and no JSON object")
    code = data.get("error")
    if status != 200 or code:
        known = isinstance(code, str) and _CODE.fullmatch(code)
        raise TokenError(f"it answers with HTTP status {status}{f', {code}' if known else ''}")
    token, kind = data.get("access_token"), data.get("token_type", "Bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise TokenError("its answer holds no access token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenError("its token is of another type than Bearer")
    return token, _life(data.get("expires_in"))


def _life(value: object) -> float:
    """The life of a token in seconds; servers also send it as a text, or not at all."""
    try:
        life = float(value) if isinstance(value, int | float | str) else _DEFAULT_LIFE
    except ValueError:
        life = _DEFAULT_LIFE
    if not life > 0:
        life = _DEFAULT_LIFE
    return min(max(life, _SHORTEST_LIFE), _LONGEST_LIFE)


def plainly(error: Exception) -> str:
    """What went wrong with a connection, without what was sent over it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "no connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
