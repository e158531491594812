"""Sends each request with what the operator gives to its URL: headers, authorities, a way.

What belongs to a URL is looked up at each request, and so at each step of a redirect: nothing leaves
its prefix, and a new token is used at once.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Protocol

import httpx

from ..contract import clean_text
from ..contract.credentials import (
    RELAY_FAULT,
    RELAY_KEY,
    RELAY_MESSAGE,
    RELAY_TARGET,
    Credential,
)
from ..credentials import CredentialReader

UNLOCK_SECONDS = 3.0
"""Longest wait for the sidecar to let this process read the credentials."""
_LOOK_SECONDS = 0.05
_MAX_FAULT = 1000


class Ways(Protocol):
    """Chooses the transport to a URL: directly, or through a proxy."""

    def choose(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """The transport for a URL."""

    async def aclose(self) -> None:
        """Close all connections."""


MakeWays = Callable[[Callable[[], ssl.SSLContext]], Ways]
"""Makes the ways that verify servers by the context which a function gives."""


class NoCredentialError(httpx.ConnectError):
    """What the operator asks for is not there now; nothing was sent."""


class _Bundle:
    """The connections that trust one set of authorities; they close when unused and out of date."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.users = 0
        self.retired = False

    async def release(self) -> None:
        self.users -= 1
        await self.close_if_idle()

    async def close_if_idle(self) -> None:
        if self.retired and self.users == 0:
            await self.ways.aclose()


class CredentialTransport(httpx.AsyncBaseTransport):
    """The transport below the limits, with credentials by URL prefix.

    `make` makes the connections for a set of authorities. The sidecar's relay is never reached by a proxy.
    """

    def __init__(self, reader: CredentialReader, make: MakeWays, limits: httpx.Limits) -> None:
        self._reader = reader
        self._make = make
        self._limits = limits
        self._relay: httpx.AsyncHTTPTransport | None = None
        self._bundles: dict[str, _Bundle] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises `NoCredentialError`, and what httpx raises."""
        await self._unlocked()
        found = self._reader.find(str(request.url))
        if found is None:
            return await self._through("", request)
        if found.missing:
            raise NoCredentialError(f"no credential for {found.prefix}: {found.missing}")
        request = _with_headers(request, found)
        if found.via:
            if self._relay is None:
                # With a context that is there: making one of its own takes longer than a call.
                self._relay = httpx.AsyncHTTPTransport(verify=tls_context(), limits=self._limits)
            return await _checked(await self._relay.handle_async_request(_rerouted(request, found)))
        return await self._through(found.ca, request)

    async def aclose(self) -> None:
        """Close all connections."""
        bundles, self._bundles = self._bundles, {}
        for bundle in bundles.values():
            await bundle.ways.aclose()
        if self._relay is not None:
            await self._relay.aclose()

    async def _unlocked(self) -> None:
        """Wait until the sidecar has seen this process and lets its user read the credentials."""
        loop = asyncio.get_running_loop()
        end = loop.time() + UNLOCK_SECONDS
        self._reader.current()
        while self._reader.locked and loop.time() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            self._reader.current()
        # Once for each version of the file: calls to other peers must not wait again and again.
        self._reader.locked = False

    async def _through(self, ca: str, request: httpx.Request) -> httpx.Response:
        bundle = await self._bundle(ca)
        bundle.users += 1
        try:
            response = await bundle.ways.choose(request.url).handle_async_request(request)
        except BaseException:
            await bundle.release()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an async transport
        response.stream = _Counted(response.stream, bundle)
        return response

    async def _bundle(self, ca: str) -> _Bundle:
        found = self._bundles.get(ca)
        if found is None:
            found = self._bundles[ca] = _Bundle(self._make(lambda: tls_context(ca)))
            wanted = {"", ca, *(one.ca for one in self._reader.current().credentials)}
            for old in self._bundles.keys() - wanted:
                bundle = self._bundles.pop(old)
                bundle.retired = True
                await bundle.close_if_idle()
        return found


class _Counted(httpx.AsyncByteStream):
    """A body whose end ends one use of a bundle."""

    def __init__(self, stream: httpx.AsyncByteStream, bundle: _Bundle) -> None:
        self._stream = stream
        self._bundle: _Bundle | None = bundle

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        bundle, self._bundle = self._bundle, None
        try:
            await self._stream.aclose()
        finally:
            if bundle is not None:
                await bundle.release()


@lru_cache(maxsize=32)
def tls_context(ca: str = "") -> ssl.SSLContext:
    """A context that trusts the system's authorities and those in `ca` (PEM)."""
    context = httpx.create_ssl_context()
    if ca:
        try:
            context.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise NoCredentialError("the bundle of authorities holds no certificate") from error
    return context


def _with_headers(request: httpx.Request, found: Credential) -> httpx.Request:
    headers = httpx.Headers(request.headers)
    # One of the same name that the agent's framework sets is replaced: the operator decides.
    headers.update(dict(found.headers))
    return _copy(request, request.url, headers)


def _rerouted(request: httpx.Request, found: Credential) -> httpx.Request:
    """The request to the relay, which calls the origin that it is told."""
    headers = httpx.Headers(request.headers)
    origin = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
    url = httpx.URL(found.via).copy_with(raw_path=request.url.raw_path)
    headers.update({"host": url.netloc.decode("ascii"), RELAY_TARGET: origin, RELAY_KEY: found.key})
    return _copy(request, url, headers)


def _copy(request: httpx.Request, url: httpx.URL, headers: httpx.Headers) -> httpx.Request:
    return httpx.Request(
        request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
    )


async def _checked(response: httpx.Response) -> httpx.Response:
    """An answer of the peer; raises what a call without the relay would have raised."""
    fault = response.headers.get(RELAY_FAULT)
    if fault is None:
        return response
    await response.aclose()
    text = clean_text(response.headers.get(RELAY_MESSAGE, ""), _MAX_FAULT)
    raise (NoCredentialError if fault == "unsent" else httpx.RemoteProtocolError)(text or fault)
