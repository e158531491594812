"""Serves an application over TLS, with a certificate that can be replaced while it serves."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web

from ...base.errors import CertificateError
from ...base.http import hide_versions, listen_error
from ...base.settings import Listen
from .door import Door, Observer
from .limits import Limits
from .line import Line
from .listening import bind

_BACKLOG = 1024
_READ_BUFFER = 16 * 1024
_LINGER_SECONDS = 1.0
"""How long to read the rest of a rejected body, so that the caller then reads the answer."""

_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ServingCertificate:
    """The certificate that a server shows to each new connection. Open connections keep theirs.

    Without a certificate, each handshake fails. `client_authorities` are CA certificates in PEM:
    if given, only clients with a certificate signed by one of them can connect. Raises
    `CertificateError` if they are unusable.
    """

    def __init__(self, client_authorities: str = "") -> None:
        self._newest: ssl.SSLContext | None = None
        self._client_authorities = client_authorities
        self.context = self._make_context()
        # OpenSSL calls this for each connection, with or without a server name. Each certificate
        # gets a new context, because a context keeps an old certificate with another key type.
        self.context.sni_callback = self._show_newest

    @property
    def present(self) -> bool:
        """Whether there is a certificate."""
        return self._newest is not None

    def replace(self, certificate: bytes, key: bytes) -> None:
        """Show these from now on, both in PEM. Raises `CertificateError` if they are unusable."""
        fresh = self._make_context()
        try:
            with _file_of(certificate.rstrip() + b"\n" + key) as file:
                fresh.load_cert_chain(file, password=_no_password)
        except (OSError, ValueError) as error:
            what = getattr(error, "reason", None) or str(error) or "no certificate and key"
            raise CertificateError(f"the certificate and its key cannot be used: {what}") from error
        self._newest = fresh

    def _make_context(self) -> ssl.SSLContext:
        context = _context()
        if self._client_authorities:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(cadata=self._client_authorities)
            except ssl.SSLError as error:
                what = error.reason or "no certificate in PEM"
                raise CertificateError(
                    f"the authority of client certificates cannot be used: {what}"
                ) from error
        return context

    def _show_newest(self, connection: object, _name: str | None, _: object) -> int | None:
        if self._newest is None:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR)
        assert isinstance(connection, ssl.SSLObject | ssl.SSLSocket)  # noqa: S101 - for the types
        connection.context = self._newest
        return None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # No session resumption: a client that resumes a session would not get a new certificate.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    return context


def _no_password() -> str:
    # Without this callback, OpenSSL would ask for a password on the terminal.
    raise ValueError("the key is encrypted")


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """A file with the content, in memory if possible: a container may have no writable disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "certificate.pem"
            path.write_bytes(content)
            yield str(path)


@asynccontextmanager
async def serve_tls(  # noqa: PLR0913 - all but the first three are seldom given
    app: web.Application,
    listen: Listen,
    certificate: ServingCertificate,
    *,
    finish: float,
    limits: Limits | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[int]:
    """Serve within the context, and yield the port. Raises `ListenError` if that is impossible.

    At the end of the context, no new requests are accepted, and open ones have `finish` seconds to
    be answered.
    """
    hide_versions()
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=finish,
        handler_cancellation=False,
        lingering_time=_LINGER_SECONDS,
        read_bufsize=_READ_BUFFER,
        auto_decompress=False,
    )
    await runner.setup()
    server = runner.server
    assert server is not None, "made by setup"  # noqa: S101
    server.request_handler = _telling(server.request_handler)
    door = Door(server, certificate.context, limits or Limits(), observer)
    try:
        try:
            sockets = await bind(listen.host, listen.port, _BACKLOG)
        except OSError as error:
            raise listen_error(listen, "--listen (HOTPEERS_LISTEN)", error) from error
        door.open(sockets)
        yield int(sockets[0].getsockname()[1])
    finally:
        door.stop()
        await runner.cleanup()
        door.close()


def _telling(handle: _Handler) -> _Handler:
    """Wrap a handler: it notifies the connection after each answer."""

    async def handle_and_tell(request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        line = transport.get_protocol() if transport is not None else None
        try:
            return await handle(request)
        finally:
            if isinstance(line, Line):
                # aiohttp passes the answer to the transport before the loop's next iteration.
                asyncio.get_running_loop().call_soon(line.answered)

    return handle_and_tell
