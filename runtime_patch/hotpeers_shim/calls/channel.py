"""gRPC channels to peers, with the headers and authorities of the credential file.

A prefix matches a channel by its origin, because the path of a gRPC method does not depend on the
peer. Headers are looked up at each call, authorities when the channel is made. Client certificates
are not supported, because the sidecar's relay for them supports only HTTP/1.1.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..credentials import CredentialReader
from ..proxies import proxy_for
from .routes import missing


class CertificateNeeded(Exception):
    """The peer needs a client certificate, which is not supported over gRPC."""


def open_channel(url: str, limit: int, credentials: CredentialReader) -> Any:
    """A channel to `https://host:port` (TLS), `http://host:port` or `host:port` (plain).

    `limit` is the largest message, in bytes. Raises `CertificateNeeded`.
    """
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import, may be missing

    scheme, separator, rest = url.partition("://")
    target = (rest if separator else url).rstrip("/")
    secure = scheme in ("https", "grpcs")
    place = f"{'https' if secure else 'http'}://{target}"
    found = credentials.find(place)
    if found is not None and found.via:
        raise CertificateNeeded("it needs a client certificate, which is not presented over gRPC")
    options: list[tuple[str, Any]] = [("grpc.max_receive_message_length", limit)]
    # gRPC would apply its own rules for NO_PROXY.
    proxy = proxy_for(place, os.environ)
    options.append(("grpc.http_proxy", proxy) if proxy else ("grpc.enable_http_proxy", 0))
    interceptors = _interceptors(credentials, place)
    if not secure:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    roots = _roots(found.ca) if found is not None and found.ca else None
    return grpc.aio.secure_channel(
        target,
        grpc.ssl_channel_credentials(root_certificates=roots),
        options=options,
        interceptors=interceptors,
    )


def _roots(ca: str) -> bytes:
    """The authorities that httpx trusts, and those in `ca`: gRPC takes one list or its defaults."""
    import certifi  # noqa: PLC0415 - comes with httpx

    return Path(certifi.where()).read_bytes() + b"\n" + ca.encode("ascii")


def _interceptors(credentials: CredentialReader, place: str) -> list[Any]:
    import grpc  # noqa: PLC0415 - see `open_channel`

    def dressed(details: Any) -> Any:
        found = credentials.find(place)
        if found is not None and found.missing:
            raise missing(found)
        if found is None or not found.headers:
            return details
        headers = {name.lower(): value for name, value in found.headers.items()}
        kept = [(name, value) for name, value in details.metadata or () if name not in headers]
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=grpc.aio.Metadata(*kept, *headers.items()),
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )

    # One class each: a channel takes an interceptor for the first kind that it is of.
    class Whole(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
        async def intercept_unary_unary(self, send: Any, details: Any, request: Any) -> Any:
            return await send(dressed(details), request)

    class Streamed(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
        async def intercept_unary_stream(self, send: Any, details: Any, request: Any) -> Any:
            return await send(dressed(details), request)

    return [Whole(), Streamed()]
