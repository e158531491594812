"""Makes the calls that need a client certificate: a reverse proxy on loopback, in the sidecar.

The private key stays here. Every container of a pod shares the loopback interface, so a caller must
have the key that only the credential file holds.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from hotpeers_shim.contract.credentials import (
    RELAY_FAULT,
    RELAY_KEY,
    RELAY_MESSAGE,
    RELAY_TARGET,
)
from hotpeers_shim.contract.prefixes import Prefix, longest, place_of

from .authorities import client_context
from .document import Entry
from .tokens import plainly

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""Largest body of a request, in bytes. It is not buffered."""
_MAX_LINE, _MAX_FIELD = 8190, 32 * 1024
# No limit in whole: the agent bounds its calls, and says which limit it was.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
_IDLE_SECONDS = 1.0
# RFC 9110, section 7.6.1, and what a client library makes anew.
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"}
_HOP_BY_HOP |= {"proxy-connection", "trailer", "transfer-encoding", "upgrade"}
_HOP_BY_HOP |= {"host", "content-length", "expect"}


@dataclass(eq=False)
class _Upstream:
    """The connections of one entry; they close when it has gone and its last call has ended."""

    entry: Entry
    session: aiohttp.ClientSession = field(repr=False)
    users: int = 0
    retired: bool = False

    @property
    def prefix(self) -> Prefix:
        return self.entry.prefix

    async def close_if_idle(self) -> None:
        if self.retired and self.users == 0:
            await self.session.close()


class Relay:
    """Serves the entries with a client certificate, from `start` to `close`."""

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(32)
        self.url = ""
        """Where it listens, "" where it does not."""
        self._upstreams: tuple[_Upstream, ...] = ()
        self._runner: web.AppRunner | None = None

    async def serve(self, entries: Iterable[Entry]) -> None:
        """Serve these from now on; listen, if there is one for the first time.

        A call under way ends over the connection that it has. `OSError` where it cannot listen.
        """
        wanted = tuple(entry for entry in entries if entry.certificate)
        if wanted and self._runner is None:
            await self._listen()
        known = {upstream.entry: upstream for upstream in self._upstreams}
        made = [known.pop(entry) if entry in known else _connect(entry) for entry in wanted]
        self._upstreams = tuple(made)
        for upstream in known.values():
            upstream.retired = True
            await upstream.close_if_idle()

    async def close(self) -> None:
        """End all calls, and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
        for upstream in self._upstreams:
            await upstream.session.close()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            # A call that its caller has given up ends here too.
            handler_cancellation=True,
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_FIELD,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get(RELAY_KEY, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.key.encode()):
            return _fault(403, "unsent", "this address is for the agent of this pod alone")
        origin = request.headers.get(RELAY_TARGET, "")
        upstream = None
        if _is_origin(origin) and request.raw_path.startswith("/"):
            upstream = longest(self._upstreams, origin + request.raw_path)
        if upstream is None:
            return _fault(403, "unsent", "no client certificate belongs to this address")
        if (request.content_length or 0) > MAX_REQUEST_BYTES:
            return _fault(413, "lost", f"the request is larger than {MAX_REQUEST_BYTES} bytes")
        upstream.users += 1
        try:
            return await _forward(request, origin + request.raw_path, upstream.session)
        finally:
            upstream.users -= 1
            await upstream.close_if_idle()


def _is_origin(text: str) -> bool:
    place = place_of(text)
    return place is not None and place.path == () and not text.endswith("/") and "?" not in text


async def _forward(
    request: web.Request, target: str, session: aiohttp.ClientSession
) -> web.StreamResponse:
    """Pass a request on, and its answer back, both as they come."""
    headers = [
        (name, value)
        for name, value in _end_to_end(request.headers)
        # Their next hop is this one.
        if name.lower() not in (RELAY_KEY, RELAY_TARGET)
    ]
    body = _Body(request)
    if request.body_exists and request.content_length is not None:
        headers.append(("Content-Length", str(request.content_length)))
    try:
        answer = await session.request(
            request.method,
            URL(target, encoded=True),
            headers=headers,
            data=body.chunks() if request.body_exists else None,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if body.too_large:
            return _fault(413, "lost", f"the request is larger than {MAX_REQUEST_BYTES} bytes")
        unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        return _fault(502, "unsent" if unsent else "lost", plainly(error))
    async with answer:
        return await _answer(request, answer)


async def _answer(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in _end_to_end(answer.headers):
        # An answer of a peer must not look like one of the relay.
        if not name.lower().startswith("x-hotpeers-"):
            response.headers.add(name, value)
    length = answer.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and request.method != "HEAD":
        response.content_length = int(length)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        # It breaks off for the agent too, which would take an end for the end of the answer.
        logger.info("an answer over the relay broke off: %s", plainly(error))
        if request.transport is not None:
            request.transport.abort()
        return response
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


class _Body:
    """The body of a request, bounded as it comes."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.too_large = False

    async def chunks(self) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in self._request.content.iter_any():
            total += len(chunk)
            if total > MAX_REQUEST_BYTES:
                self.too_large = True
                raise aiohttp.ClientPayloadError
            yield chunk


def _end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that are not of one connection alone."""
    named = {
        token.strip().lower()
        for name, value in headers.items()
        if name.lower() == "connection"
        for token in value.split(",")
    }
    skipped = _HOP_BY_HOP | named
    return [(name, value) for name, value in headers.items() if name.lower() not in skipped]


def _connect(entry: Entry) -> _Upstream:
    context = client_context(entry.ca, entry.certificate, entry.key)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_TIMEOUT,
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_FIELD,
    )
    return _Upstream(entry, session)


def _fault(status: int, kind: str, message: str) -> web.Response:
    """An answer of the relay itself: `unsent` where the peer cannot have got the request."""
    return web.Response(status=status, headers={RELAY_FAULT: kind, RELAY_MESSAGE: message})
