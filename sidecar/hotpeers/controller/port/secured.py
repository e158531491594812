"""asyncio's TLS with small buffers, so that many connections need little memory."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable

_BUFFER = 32 * 1024
_SHUTDOWN_SECONDS = 1.0


class Secured(SSLProtocol):
    """The server side of TLS on one connection. `lost` is called when the connection ends.

    `lost` is called even if there was no handshake. asyncio allocates a buffer of 256 KiB, filled
    with zeros, for each connection: 1,500 silent connections need 400 MB. The class is
    undocumented. Python 3.11 to 3.14 read `max_size`.
    """

    max_size = _BUFFER

    def __init__(
        self,
        inner: asyncio.Protocol,
        context: ssl.SSLContext,
        lost: Callable[[], None],
        *,
        seconds: float,
    ) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            inner,
            context,
            None,  # type: ignore[arg-type]
            server_side=True,
            ssl_handshake_timeout=seconds,  # type: ignore[arg-type]
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self._lost = lost

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report that the connection ended."""
        super().connection_lost(exc)
        self._lost()
