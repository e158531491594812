"""asyncio's TLS with small buffers, so that many connections cost little."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable

_BUFFER = 32 * 1024
_SHUTDOWN_SECONDS = 1.0


class Secured(SSLProtocol):
    """The server's side of TLS on one connection; `lost` is called at its end, also without handshake.

    asyncio takes a buffer of 256 KiB for each connection, filled with zeros: 1,500 connections that
    say nothing take 400 MB. The class is not documented; `max_size` is read by Python 3.11 to 3.14.
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
        """Tell that the connection is gone."""
        super().connection_lost(exc)
        self._lost()
