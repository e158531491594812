"""How one request leaves the agent: with which headers, over which TLS, and by which way.

Each hop is judged by its own URL, so what belongs to one prefix goes nowhere else, also after a
redirect.
"""

from __future__ import annotations

import ssl
from functools import cache, lru_cache

import httpx

from ..contract import clean_text
from ..contract.credentials import RELAY_FAULT, RELAY_KEY, RELAY_TARGET, Credential
from ..credentials import CredentialReader


class Routes:
    """The connections of one client, by the authorities that they trust."""

    def __init__(self, credentials: CredentialReader, limits: httpx.Limits) -> None:
        self._credentials = credentials
        self._limits = limits
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    def choose(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """The transport of one request to `url`, with what the credential file has for it."""
        found = self._credentials.find(str(url))
        if found is None:
            return self._transport("")
        return _Credited(self._transport("" if found.via else found.ca), found)

    async def aclose(self) -> None:
        """Close the connections."""
        for transport in self._transports.values():
            await transport.aclose()

    def _transport(self, ca: str) -> httpx.AsyncHTTPTransport:
        transport = self._transports.get(ca)
        if transport is None:
            context = _private_tls(ca) if ca else _tls()
            transport = httpx.AsyncHTTPTransport(verify=context, limits=self._limits)
            self._transports[ca] = transport
        return transport


class _Credited(httpx.AsyncBaseTransport):
    """Sends a request with a credential; the request itself stays as it is, for the next hop."""

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
    """The system's authorities and those of a bundle; raises ssl.SSLError where it holds none."""
    context = httpx.create_ssl_context()
    context.load_verify_locations(cadata=ca)
    return context
