"""Keeps the OAuth2 tokens of clients fresh: renews each token before it expires.

Authlib builds the request (RFC 6749: client authentication, scopes, parameters). The sidecar's own
HTTP client sends it, with a limit on the size of the answer. If the server is down, a token is still
used until it expires.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from hotpeers_shim.contract.credentials import is_header

from ...base.backoff import Backoff
from ...base.dns import Resolver
from ...base.origin import origin_of
from ...base.problems import Problem
from ..reasons import SidecarReason
from .grant import OAuth2

logger = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=20.0, connect=5.0)
_THREADS = 2
_MAX_ANSWER = 256 * 1024
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# The assumed lifetime in seconds if the server does not report one.
_UNKNOWN_LIFE = 300.0
_LONGEST_LIFE = 24 * 3600.0
_RENEW_AT, _SHORTEST = 0.7, 0.2
_WORD = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Token:
    """One access token. `renew` and `expires` are monotonic times in seconds.

    `until` is its expiry in seconds since the epoch; 0 if that is unknown.
    """

    value: str = field(repr=False)
    renew: float
    expires: float
    until: int = 0


class TokenError(Exception):
    """A token could not be obtained.

    The message quotes neither the request nor the answer, except for the answer's error code.
    """


class TokenKeeper:
    """Keeps a token for each client of a changing set.

    `changed` is called when a token or a problem changes. Use it as an asynchronous context manager.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._tasks: dict[OAuth2, asyncio.Task[None]] = {}
        self._tokens: dict[OAuth2, Token] = {}
        self._timers: dict[OAuth2, asyncio.TimerHandle] = {}
        self._problems: dict[OAuth2, Problem] = {}
        self._session: aiohttp.ClientSession | None = None
        self._resolver = Resolver(_THREADS)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """One problem for each client whose last request for a token failed."""
        return tuple(self._problems.values())

    async def __aenter__(self) -> TokenKeeper:
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(force_close=True, resolver=self._resolver),
            trust_env=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks.values())
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    def value(self, client: OAuth2) -> str:
        """The token of a client while it is valid, else ""."""
        token = self._valid(client)
        return token.value if token is not None else ""

    def until(self, client: OAuth2) -> int:
        """The expiry of a client's token in seconds since the epoch; 0 if that is unknown."""
        token = self._valid(client)
        return token.until if token is not None else 0

    def missing(self, client: OAuth2) -> str:
        """Why a client has no valid token; "" if it has one."""
        if self._valid(client) is not None:
            return ""
        problem = self._problems.get(client)
        return f"{problem.where}: {problem.message}" if problem else "its first one was asked for"

    def seed(self, client: OAuth2, value: str, until: int) -> None:
        """Use a token from a previous run until a new one arrives."""
        left = min(until - time.time(), _LONGEST_LIFE)
        if left > 0 and client not in self._tokens:
            self._take(client, Token(value, 0.0, time.monotonic() + left, until))

    def _valid(self, client: OAuth2) -> Token | None:
        token = self._tokens.get(client)
        return token if token is not None and time.monotonic() < token.expires else None

    def follow(self, clients: Iterable[OAuth2]) -> None:
        """Replace the set of clients.

        A client with a new secret keeps the token of the old secret until its own arrives.
        """
        wanted = set(clients)
        for client in wanted - self._tasks.keys():
            before = next((one for one in self._tokens if _same(one, client)), None)
            if before is not None:
                self._take(client, replace(self._tokens[before], renew=0.0))
            name = f"token of {client.client_id}"
            self._tasks[client] = asyncio.create_task(self._keep(client), name=name)
        for client in self._tasks.keys() - wanted:
            self._tasks.pop(client).cancel()
            self._tokens.pop(client, None)
            if timer := self._timers.pop(client, None):
                timer.cancel()
            self._problems.pop(client, None)

    async def _keep(self, client: OAuth2) -> None:
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            token = self._tokens.get(client)
            now = time.monotonic()
            if token is not None and now < token.renew:
                await asyncio.sleep(token.renew - now)
            problem = None
            try:
                self._take(client, await self._fetch(client))
                backoff.reset()
            except TokenError as error:
                problem = Problem(_shown(client), SidecarReason.TOKEN_UNAVAILABLE, str(error))
            if problem is None:
                self._problems.pop(client, None)
                self._changed()
                continue
            if problem != self._problems.get(client):
                self._problems[client] = problem
                self._changed()
            await asyncio.sleep(backoff.next() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def _take(self, client: OAuth2, token: Token) -> None:
        self._tokens[client] = token
        if timer := self._timers.pop(client, None):
            timer.cancel()
        if token.expires < float("inf"):
            # Add a margin, so that the token has certainly expired when `changed` reads it.
            left = token.expires - time.monotonic() + 0.05
            loop = asyncio.get_running_loop()
            self._timers[client] = loop.call_later(left, self._changed)

    async def _fetch(self, client: OAuth2) -> Token:
        assert self._session is not None, "use `async with`"  # noqa: S101
        url, headers, body = _request(client)
        begun = time.monotonic()
        try:
            async with self._session.post(
                url,
                data=body,
                headers=headers,
                ssl=client.context or True,
                # A redirect would send the client's secret to another URL.
                allow_redirects=False,
            ) as response:
                raw = await response.content.read(_MAX_ANSWER + 1)
                while len(raw) <= _MAX_ANSWER and (more := await response.content.read(65536)):
                    raw += more
                status = response.status
        except TimeoutError:
            raise TokenError("no answer came in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TokenError(f"it cannot be reached: {_plainly(error)}") from None
        if len(raw) > _MAX_ANSWER:
            raise TokenError(f"the answer is larger than {_MAX_ANSWER} bytes")
        return _token(status, raw, begun)


def _same(one: OAuth2, other: OAuth2) -> bool:
    """Whether two clients are equal except for their secret and their CA bundle."""
    return replace(one, client_secret="", ca="") == replace(other, client_secret="", ca="")


def _shown(client: OAuth2) -> str:
    """The origin of the token URL and the client ID. Path and query may hold a key: leave them out."""
    return f"{origin_of(client.token_url)} ({client.client_id})"


def _request(client: OAuth2) -> tuple[str, dict[str, str], str]:
    # Imported late: Authlib costs 8 MB, which a sidecar without OAuth2 does not need.
    from authlib.oauth2.auth import ClientAuth  # noqa: PLC0415
    from authlib.oauth2.rfc6749.parameters import prepare_token_request  # noqa: PLC0415

    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = prepare_token_request(
        "client_credentials", scope=list(client.scopes), audience=client.audience
    )
    auth = ClientAuth(client.client_id, client.client_secret, client.authentication)
    prepared: tuple[str, dict[str, str], str] = auth.prepare(
        "POST", client.token_url, headers, body
    )
    return prepared


def _token(status: int, raw: bytes, begun: float) -> Token:
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise TokenError(f"status {status}, and no JSON object")
    if status != 200:
        # Show only the error code (RFC 6749): the server's description may repeat the request.
        code = data.get("error")
        known = isinstance(code, str) and _WORD.fullmatch(code)
        raise TokenError(f"status {status}{f', {code}' if known else ''}")
    value = data.get("access_token")
    if not isinstance(value, str) or not is_header("Authorization", f"Bearer {value}"):
        raise TokenError("the answer has no access_token that can be sent")
    if str(data.get("token_type", "bearer")).lower() != "bearer":
        raise TokenError("the token is not a bearer token")
    life = _life(data.get("expires_in"))
    renew = begun + _RENEW_AT * (life or _UNKNOWN_LIFE)
    renew = max(renew, begun + _SHORTEST)
    if life is None:
        return Token(value, renew, float("inf"))
    return Token(value, renew, begun + life, int(time.time() + begun + life - time.monotonic()))


def _life(value: Any) -> float | None:
    """The lifetime of a token in seconds; None if the server does not report one."""
    try:
        life = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(life, _LONGEST_LIFE) if life > 0 else None


def _plainly(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return reason_of(error.os_error)
    return type(error).__name__


def reason_of(error: OSError) -> str:
    """The operating system's text for the error number; asyncio sets a text of its own instead."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or type(error).__name__
