"""Checks the incoming data of one connection before aiohttp gets it.

aiohttp has no deadline for headers, and accepts a request before the last one is answered. So a
`Line` passes on headers only when they are complete, and only as much body as they announce.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import cast

from .connections import Connection
from .limits import Limits

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*(?=\r\n)", re.IGNORECASE)
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding)\b", re.IGNORECASE)
_READ_BUFFER = 32 * 1024


class _State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    CLOSED = auto()


class Line(asyncio.Protocol):
    """One connection. `inner` is aiohttp's protocol. `answered` is called after each answer."""

    def __init__(
        self,
        inner: asyncio.Protocol,
        connection: Connection,
        limits: Limits,
        answered: Callable[[Connection], None],
    ) -> None:
        self._inner, self._connection, self._limits = inner, connection, limits
        self._tell_answered = answered
        self._now = asyncio.get_running_loop().time
        self._state = _State.HEAD
        self._head = bytearray()
        self._left = 0
        self._is_answered = False
        self._transport: asyncio.Transport | None = None
        self._lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start after the TLS handshake."""
        self._transport = cast("asyncio.Transport", transport)
        # Only TLS transports have this method. It limits the data that is read ahead.
        if set_limits := getattr(transport, "set_read_buffer_limits", None):
            set_limits(high=_READ_BUFFER)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on the data of the current request."""
        while data and self._state is not _State.CLOSED:
            if self._state is _State.IDLE:
                self._state = _State.HEAD
                self._connection.deadline = self._now() + self._limits.head_seconds
            if self._state is _State.HEAD:
                data = self._take_head(data)
            elif self._state is _State.BODY:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                self._inner.data_received(part)
                if not self._left:
                    self._whole()
            else:
                # A request before the answer to the last one: an API server never does that.
                self._state = _State.CLOSED
                self._connection.abort()

    def _take_head(self, data: bytes) -> bytes:
        """Add data to the headers. Returns the data after their end."""
        self._head += data
        end = self._head.find(_END)
        if end < 0 or end + len(_END) > self._limits.head_bytes:
            if len(self._head) > self._limits.head_bytes:
                self._refuse("431 Request Header Fields Too Large")
            return b""
        head, rest = bytes(self._head[: end + len(_END)]), bytes(self._head[end + len(_END) :])
        self._head.clear()
        length = _LENGTH.search(head)
        if len(_FRAMING.findall(head)) > (length is not None):
            # Allow only one Content-Length, and no Transfer-Encoding.
            self._refuse("411 Length Required")
            return b""
        self._left = int(length[1]) if length else 0
        self._is_answered = False
        self._state = _State.BODY
        self._connection.deadline = self._now() + self._limits.body_seconds
        self._inner.data_received(head)
        if not self._left:
            self._whole()
        return rest

    def _whole(self) -> None:
        """The request is complete."""
        if self._is_answered:
            self._state = _State.IDLE
            self._tell_answered(self._connection)
        else:
            self._state = _State.ANSWERING
            self._connection.busy = True
            self._connection.deadline = self._now() + self._limits.answer_seconds

    def answered(self) -> None:
        """The handler is done, and its answer was passed to the transport."""
        if self._state is _State.ANSWERING:
            self._state = _State.IDLE
            self._connection.busy = False
            self._tell_answered(self._connection)
        else:
            # The answer came before the end of the body. aiohttp reads for a moment, and closes.
            self._is_answered = True

    @contextmanager
    def when_lost(self, call: Callable[[], None]) -> Iterator[None]:
        """Call `call` if the connection is lost within the context."""
        if self._state is _State.CLOSED:
            call()
        else:
            self._lost = call
        try:
            yield
        finally:
            self._lost = None

    def close(self) -> None:
        """Close the connection after all data is sent."""
        self._state = _State.CLOSED
        if self._transport is not None:
            self._transport.close()

    def _refuse(self, status: str) -> None:
        assert self._transport is not None, "data comes after the connection"  # noqa: S101
        self._transport.write(
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        )
        self.close()

    def eof_received(self) -> bool | None:
        """The caller sends no more data."""
        return self._inner.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is closed."""
        self._state = _State.CLOSED
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
        self._inner.connection_lost(cast("Exception | None", exc))

    def pause_writing(self) -> None:
        """The caller does not take its answer now."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The caller takes its answer again."""
        self._inner.resume_writing()
