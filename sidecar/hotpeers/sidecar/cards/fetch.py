"""Fetches one agent card over HTTP: within its origin, within limits, through the right proxy."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import urljoin

import aiohttp

from hotpeers_shim.contract import clean_text
from hotpeers_shim.proxies import proxy_for, shown_proxy

from ... import __version__
from ...base.dns import Resolver
from ...base.origin import UrlError, card_urls, origin_of
from ...base.reasons import Reason
from ...model.cards.card import Card, CardError, parse_card
from ...model.reasons import ModelReason
from ...model.snapshot import CardKey
from ..credentials.keeper import Access
from ..reasons import SidecarReason

MAX_CARD_BYTES = 1024 * 1024
"""Default for the largest accepted agent card, in bytes after decompression."""
AT_ONCE = 16
"""How many cards are refreshed concurrently."""
_MAX_CONNECTIONS = 160
_RESOLVERS = 8
_SMALL = 32 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=5.0, connect=2.0)
_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_STEP = 64 * 1024
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"hotpeers/{__version__}",
}

Check = Callable[[dict[str, Any]], dict[str, Any]]
"""Returns the trusted part of a card's data; raises `CardError` if no part can be trusted."""


class CardUnavailableError(Exception):
    """A card could not be fetched, or cannot be used; `reason` says which.

    If `final` is True, the caller does not try another path of the same server.
    """

    def __init__(self, reason: Reason, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.final = final


class Fetcher:
    """Fetches cards. Use it as an asynchronous context manager.

    `max_bytes` bounds a card after decompression. `check` verifies each card; without it, cards
    need no signature. `access` returns the headers and the TLS context for a URL.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_CARD_BYTES,
        check: Check | None = None,
        access: Callable[[str], Access] = lambda _: Access(),
    ) -> None:
        self._max_bytes = max_bytes
        self._access = access
        self._check = check
        self._session: aiohttp.ClientSession | None = None
        self._resolver = Resolver(AT_ONCE)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            # A cookie that one peer sets must not be sent to another peer.
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(
                limit=_MAX_CONNECTIONS, force_close=True, resolver=self._resolver
            ),
            # `_body` decompresses in bounded pieces: 150 kB may expand to 150 MB.
            auto_decompress=False,
            headers=_HEADERS,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    async def get(self, key: CardKey) -> Card:
        """Fetch the card of a peer; raises `CardUnavailableError` if that fails.

        If the current well-known path has no card, the path from before A2A 0.3 is tried. Servers
        answer an unknown path with 404, 401, a redirect to a login or the page of an application.
        If the server is in trouble (5xx, 429), the other path is not tried, because it might hold
        an older card. The caller retries later.
        """
        first: CardUnavailableError | None = None
        for url in card_urls(*key):
            try:
                return await self._card(url)
            except CardUnavailableError as error:
                # If the server answered one of the paths with a card that cannot be used, report
                # that failure: it says more than a path without a card.
                if first is None or (
                    first.reason is SidecarReason.CARD_UNAVAILABLE
                    and error.reason is not first.reason
                ):
                    first = error
                if error.final:
                    break
        assert first is not None, "there is at least one URL"  # noqa: S101
        raise first

    async def _card(self, url: str) -> Card:
        proxy = proxy_for(url, os.environ)
        try:
            status, raw = await self._get(url, proxy)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            message = f"{url}: {plainly(error)}{_through(proxy)}"
            raise CardUnavailableError(
                SidecarReason.CARD_UNAVAILABLE, message, final=True
            ) from error
        if status != 200:
            message = f"{url} answers with status {status}{_through(proxy)}"
            final = status >= 500 or status in (407, 429)
            raise CardUnavailableError(SidecarReason.CARD_UNAVAILABLE, message, final=final)
        if len(raw) <= _SMALL and self._check is None:
            return self._parse(raw, url)
        # Use a thread: parsing a large card is slow, and the first signature imports a library.
        return await asyncio.to_thread(self._parse, raw, url)

    async def _get(self, url: str, proxy: str | None) -> tuple[int, bytes]:
        """Status and body of a URL, following redirects within its origin only."""
        assert self._session is not None, "use `async with`"  # noqa: S101
        for _ in range(_MAX_REDIRECTS + 1):
            # Look up the access for each hop: credentials may be meant for one path only.
            access = self._access(url)
            async with self._session.get(
                url,
                allow_redirects=False,
                proxy=proxy,
                headers=access.headers,
                ssl=access.context or True,
            ) as response:
                if response.status == 200:
                    return 200, await self._body(response)
                if response.status not in _REDIRECTS:
                    return response.status, b""
                target = urljoin(url, response.headers.get("Location", ""))
            if not _same_origin(target, url):
                message = f"{url} redirects to another origin"
                raise CardUnavailableError(SidecarReason.CARD_UNAVAILABLE, message)
            url = target
        raise CardUnavailableError(SidecarReason.CARD_UNAVAILABLE, f"{url} redirects too often")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        decode = _decoder(encoding)
        if decode is None:
            message = f"{response.url}: compressed as {clean_text(encoding, 40)!r}, not asked for"
            raise CardUnavailableError(ModelReason.CARD_INVALID, message)
        body, came = bytearray(), 0
        async for chunk in response.content.iter_any():
            came += len(chunk)
            for piece in decode(chunk):
                body += piece
                if len(body) > self._max_bytes:
                    break
            if max(came, len(body)) > self._max_bytes:
                message = f"{response.url}: larger than {self._max_bytes} bytes (--max-card-bytes)"
                raise CardUnavailableError(ModelReason.CARD_INVALID, message)
        return bytes(body)

    def _parse(self, raw: bytes, url: str) -> Card:
        try:
            data = json.loads(raw)
            card = parse_card(data)
            # Use only the data that the signature covers, not the data that was received.
            return card if self._check is None else parse_card(self._check(data))
        except CardError as error:
            raise CardUnavailableError(error.reason, f"{url}: {str(error)[:300]}") from error
        except (ValueError, RecursionError) as error:
            message = f"{url}: not JSON: {clean_text(str(error), 200)}"
            raise CardUnavailableError(ModelReason.CARD_INVALID, message) from error


def _same_origin(one: str, other: str) -> bool:
    try:
        return origin_of(one) == origin_of(other)
    except UrlError:
        return False


def _decoder(encoding: str) -> Callable[[bytes], Iterator[bytes]] | None:
    """A decoder that yields the body in pieces of bounded size; None for an unknown encoding."""
    if encoding in ("", "identity"):
        return lambda chunk: iter((chunk,))
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    # 32 makes zlib detect gzip or zlib from the header of the data.
    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)

    def decode(chunk: bytes) -> Iterator[bytes]:
        nonlocal inflate
        try:
            while chunk:
                yield inflate.decompress(chunk, _STEP)
                chunk = inflate.unconsumed_tail
                if inflate.eof:
                    # A gzip file may have several members: start a new decompressor for the next.
                    chunk = inflate.unused_data
                    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
        except zlib.error as error:
            raise ValueError(f"not {encoding}: {error}") from error

    return decode


def _through(proxy: str | None) -> str:
    return "" if proxy is None else f" (through the proxy {shown_proxy(proxy)})"


def plainly(error: Exception) -> str:
    """The cause of a failed request, in words that a person would search for."""
    if isinstance(error, aiohttp.ClientConnectorError):
        # The text of aiohttp is about sockets; the operating system's text names the cause.
        number = error.os_error.errno
        return os.strerror(number) if number and number > 0 else str(error.os_error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answers with status {error.status}"
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT.total:.0f} s"
    return str(error) or type(error).__name__
