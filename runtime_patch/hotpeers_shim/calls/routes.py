"""Chooses headers, TLS authorities, and proxy or relay for each request.

Each hop is matched by its own URL. A credential is therefore never sent outside its prefix, even
after a redirect.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from functools import cache, lru_cache

import httpx

from ..contract import clean_text
from ..contract.credentials import RELAY_FAULT, RELAY_KEY, RELAY_TARGET, Credential
from ..credentials import CredentialReader
from ..proxies import proxy_for, shown_proxy

PROXY = "hotpeers.proxy"
"""The response extension with the proxy of a response, without its user and password."""


UNLOCK_SECONDS = 3.0
"""The longest wait until the sidecar grants this process access to the credentials."""
_LOOK_SECONDS = 0.05


class CredentialMissing(httpx.ConnectError):
    """A credential that the operator configured for the URL is missing. Nothing was sent."""


class Routes:
    """The connections of one client, by their trusted authorities and their proxy."""

    def __init__(self, credentials: CredentialReader, limits: httpx.Limits) -> None:
        self._credentials = credentials
        self._limits = limits
        self._transports: dict[tuple[str, str | None], httpx.AsyncBaseTransport] = {}

    def choose(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """The transport of one request to `url`, with the URL's entry in the credential file.

        Raises `httpx.ProxyError` if the proxy of the environment cannot be used.
        """
        found = self._credentials.find(str(url))
        if self._credentials.locked:
            return _Locked(self, self._credentials)
        if found is not None and found.missing:
            return _Missing(found)
        if found is not None and found.via:
            # The relay is in the same pod, so no proxy applies.
            return _Credited(self._transport("", None), found)
        proxy = proxy_for(str(url), os.environ)
        if found is None:
            return self._transport("", proxy)
        return _Credited(self._transport(found.ca, proxy), found)

    async def aclose(self) -> None:
        """Close the connections."""
        for transport in self._transports.values():
            await transport.aclose()

    def _transport(self, ca: str, proxy: str | None) -> httpx.AsyncBaseTransport:
        transport = self._transports.get((ca, proxy))
        if transport is None:
            context = _private_tls(ca) if ca else _tls()
            transport = self._transports[ca, proxy] = _make(context, proxy, self._limits)
        return transport


def _make(
    context: ssl.SSLContext, proxy: str | None, limits: httpx.Limits
) -> httpx.AsyncBaseTransport:
    if proxy is None:
        return httpx.AsyncHTTPTransport(verify=context, limits=limits)
    shown = shown_proxy(proxy)
    try:
        inner = httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=httpx.Proxy(proxy))
    # Drop the cause: its text has the proxy's URL with the password.
    # ImportError means that SOCKS needs another library.
    except (ValueError, ImportError, httpx.InvalidURL):
        raise httpx.ProxyError(f"the proxy {shown} is of no kind that can be used") from None
    return _Proxied(inner, shown)


class _Proxied(httpx.AsyncBaseTransport):
    """A transport through a proxy. Its errors name the proxy."""

    def __init__(self, inner: httpx.AsyncBaseTransport, shown: str) -> None:
        self._inner = inner
        self._shown = shown

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            text = str(error) or "no answer in time"
            raise httpx.ProxyError(f"the proxy {self._shown}: {text}") from error
        response.extensions[PROXY] = self._shown
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Locked(httpx.AsyncBaseTransport):
    """Waits until this process can read the credentials, then sends the request.

    To an agent that runs as another user, the sidecar grants access after its first ack.
    """

    def __init__(self, routes: Routes, credentials: CredentialReader) -> None:
        self._routes = routes
        self._credentials = credentials

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        end = loop.time() + UNLOCK_SECONDS
        while self._credentials.locked and loop.time() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            self._credentials.current()
        # Wait once per version of the file, so that calls of other peers do not wait each time.
        self._credentials.locked = False
        return await self._routes.choose(request.url).handle_async_request(request)


class _Missing(httpx.AsyncBaseTransport):
    """Sends nothing: without its token the request would fail, or carry the user's token."""

    def __init__(self, found: Credential) -> None:
        self._found = found

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise missing(self._found)


def missing(found: Credential) -> CredentialMissing:
    """The error of a call whose token is missing."""
    return CredentialMissing(f"there is no token for {found.prefix}: {found.missing}")


class _Credited(httpx.AsyncBaseTransport):
    """Sends a copy of the request with a credential. A later hop uses the unchanged original."""

    def __init__(self, transport: httpx.AsyncBaseTransport, found: Credential) -> None:
        self._transport = transport
        self._found = found

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(_dressed(request, self._found))
        fault = response.headers.get(RELAY_FAULT) if self._found.via else None
        if fault is not None:
            await response.aclose()
            raise _fault(response.status_code, fault, request)
        return response


def _dressed(request: httpx.Request, found: Credential) -> httpx.Request:
    headers = httpx.Headers(request.headers)
    headers.update(found.headers)
    url = request.url
    if found.via:
        headers[RELAY_TARGET] = f"{url.scheme}://{url.netloc.decode('ascii')}"
        headers[RELAY_KEY] = found.key
        url = httpx.URL(found.via).copy_with(raw_path=url.raw_path)
        headers["host"] = url.netloc.decode("ascii")
    return httpx.Request(
        request.method,
        url,
        headers=headers,
        stream=request.stream,
        extensions=request.extensions,
    )


def _fault(status: int, text: str, request: httpx.Request) -> httpx.TransportError:
    message = f"the sidecar's relay: {clean_text(text, 200)}"
    if status == 503:
        return httpx.ConnectError(message, request=request)
    return httpx.RemoteProtocolError(message, request=request)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@lru_cache(maxsize=32)
def _private_tls(ca: str) -> ssl.SSLContext:
    """A context that trusts the system's authorities and those in `ca` (PEM).

    Raises ssl.SSLError if `ca` has no certificate.
    """
    context = httpx.create_ssl_context()
    context.load_verify_locations(cadata=ca)
    return context
