"""A reverse proxy on loopback for calls that need a client certificate.

The certificate's key stays in the sidecar. All containers of a pod share the loopback address, so a
caller has to send a random key, which only the credential file holds. The proxy calls only URLs below
a prefix with a certificate and does not follow redirects. It does not change bodies, and it streams
responses.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from hotpeers_shim.contract.credentials import RELAY_FAULT, RELAY_KEY, RELAY_TARGET
from hotpeers_shim.contract.prefixes import place_of

from ...base.dns import Resolver
from .grant import Grant
from .tokens import reason_of

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Largest body of a request, in bytes."""
MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""Largest body of a response, streamed or not, in bytes."""
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10.0)
# Seconds to keep an idle connection. Servers close theirs after 2 s or 5 s, and a request that is
# sent at that moment is lost.
_IDLE = 1.0
_THREADS = 8
# Hop-by-hop headers: RFC 9110, section 7.6.1, and the older ones.
_OF_A_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"}
_OF_A_CONNECTION |= {"transfer-encoding", "proxy-authenticate", "proxy-authorization"}
_OURS = {"host", RELAY_KEY, RELAY_TARGET, RELAY_FAULT}
_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(eq=False, slots=True)
class _Upstream:
    """The connections that use one TLS context."""

    session: aiohttp.ClientSession
    users: int = 0
    retired: bool = False


class Relay:
    """The proxy. `find` returns the grant for a URL, with or without a certificate.

    Call `start` when a grant has a certificate. Use it as an asynchronous context manager.
    """

    def __init__(self, find: Callable[[str], Grant | None]) -> None:
        self._find = find
        self._runner: web.AppRunner | None = None
        self._resolver = Resolver(_THREADS)
        self._upstreams: dict[ssl.SSLContext, _Upstream] = {}
        self.key = secrets.token_urlsafe(32)
        self.url = ""

    async def __aenter__(self) -> Relay:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        for upstream in self._upstreams.values():
            await upstream.session.close()
        await self._resolver.close()

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1; raises OSError."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Cancel the call when its caller disconnects, because a stream may be silent for long.
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.3, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runner = runner
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def keep(self, contexts: set[ssl.SSLContext]) -> None:
        """Close the connections of all other contexts, as soon as they are not in use."""
        for context in self._upstreams.keys() - contexts:
            upstream = self._upstreams.pop(context)
            upstream.retired = True
            if not upstream.users:
                await upstream.session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get(RELAY_KEY, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.key.encode()):
            return _refused(403, "the key is missing or another")
        path = request.raw_path
        if not path.startswith("/") or "#" in path:
            return _refused(400, "a path is needed")
        target = place_of(request.headers.get(RELAY_TARGET, ""))
        if target is None or target.path:
            return _refused(400, "an origin to call is needed")
        url = f"{target}{path}"
        grant = self._find(url)
        if grant is None or not grant.has_certificate or grant.context is None:
            return _refused(403, "no certificate is for this address")
        async with self._lease(grant.context) as session:
            return await _pass_on(request, session, url)

    @asynccontextmanager
    async def _lease(self, context: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
        upstream = self._upstreams.get(context)
        if upstream is None:
            upstream = self._upstreams[context] = _Upstream(_session(context, self._resolver))
        upstream.users += 1
        try:
            yield upstream.session
        finally:
            upstream.users -= 1
            if upstream.retired and not upstream.users:
                await upstream.session.close()


def _session(context: ssl.SSLContext, resolver: Resolver) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=_TIMEOUT,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(
            limit=100, ssl=context, keepalive_timeout=_IDLE, resolver=resolver
        ),
        skip_auto_headers=_ADDED,
    )


async def _pass_on(
    request: web.Request, session: aiohttp.ClientSession, url: str
) -> web.StreamResponse:
    body = await request.read()
    try:
        response = await session.request(
            request.method,
            # Do not normalize the URL: call exactly the one that was checked.
            URL(url, encoded=True),
            headers=_end_to_end(request.headers, but=_OURS | {"content-length"}),
            data=body or None,
            allow_redirects=False,
        )
    except aiohttp.ClientConnectorCertificateError:
        return _refused(502, "the certificate of the peer is not trusted")
    except aiohttp.ClientConnectorError as error:
        return _refused(503, f"no connection could be made: {reason_of(error.os_error)}")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return _refused(502, f"the connection was lost: {type(error).__name__}")
    async with response:
        return await _answer(request, response)


async def _answer(request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
    answer = web.StreamResponse(
        status=response.status,
        reason=response.reason,
        headers=_end_to_end(response.headers, but=_OURS),
    )
    await answer.prepare(request)
    size = 0
    try:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                _cut(request)
            await answer.write(chunk)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        logger.debug("an answer was cut: %s", type(error).__name__)
        _cut(request)
    await answer.write_eof()
    return answer


def _cut(request: web.Request) -> None:
    """Abort the connection, so that the caller does not take a partial response for a full one."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


def _end_to_end(headers: Any, *, but: set[str]) -> CIMultiDict[str]:
    """The end-to-end headers, without the hop-by-hop headers and those in `but`."""
    named = {
        word.strip().lower()
        for value in headers.getall("Connection", [])
        for word in value.split(",")
    }
    left_out = _OF_A_CONNECTION | named | but
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in left_out
    )


def _refused(status: int, why: str) -> web.Response:
    # The status 503 means that nothing was sent, so the caller may retry.
    return web.Response(status=status, text=why, headers={RELAY_FAULT: why})
