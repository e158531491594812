"""Serves an application over TLS, with a certificate that can be replaced while it serves."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web

from ..errors import CertificateError
from ..settings import Listen
from .serving import hide_versions, listen_error

_HANDSHAKE_SECONDS = 5.0
_BACKLOG = 1024


class ServingCertificate:
    """The certificate that a server shows to each new connection; those that are open keep theirs.

    Until there is one, no connection comes about.
    """

    def __init__(self) -> None:
        self._newest: ssl.SSLContext | None = None
        self.context = _context()
        # Called for each connection, whether or not the client names a server. A context is made
        # anew for each certificate: it would keep the old one beside a new one of another kind.
        self.context.sni_callback = self._show_newest

    @property
    def present(self) -> bool:
        """Whether there is one to show."""
        return self._newest is not None

    def replace(self, certificate: bytes, key: bytes) -> None:
        """Show these from now on, both in PEM; `CertificateError` where they cannot be used."""
        fresh = _context()
        try:
            with _file_of(certificate.rstrip() + b"\n" + key) as file:
                fresh.load_cert_chain(file, password=_no_password)
        except (OSError, ValueError) as error:
            what = getattr(error, "reason", None) or str(error) or "no certificate and key"
            raise CertificateError(f"the certificate and its key cannot be used: {what}") from error
        self._newest = fresh

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
    # Who resumes a session is not shown a new certificate.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def _no_password() -> str:
    # Without it OpenSSL would ask for one on the terminal.
    raise ValueError("the key is encrypted")


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """A file with the content, in memory where the system can: a container need not have a disk."""
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
async def serve_tls(
    app: web.Application, listen: Listen, certificate: ServingCertificate, *, finish: float
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port. `ListenError` where that is not possible.

    At its end nothing new is taken, and what is in flight has `finish` seconds to be answered.
    """
    hide_versions()
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=finish, handler_cancellation=False
    )
    await runner.setup()
    try:
        assert runner.server is not None, "made by setup"  # noqa: S101
        try:
            server = await asyncio.get_running_loop().create_server(
                runner.server,
                listen.host or None,
                listen.port,
                ssl=certificate.context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise listen_error(listen, "--listen (HOTPEERS_LISTEN)", error) from error
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
    finally:
        await runner.cleanup()
