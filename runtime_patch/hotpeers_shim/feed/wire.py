"""The bytes of a connection, read by `http.client` in short waits between looks at the clocks."""

from __future__ import annotations

import io
import socket
import time

from . import clock

SEND_SECONDS = 5.0
"""The longest time until the kernel takes the bytes of a request."""


class StoodStillError(OSError):
    """The process stood still during a request, so its connection is presumably dead."""


class TooLargeError(OSError):
    """An answer has more bytes than it may have."""


class Wire:
    """A connected socket, as far as `http.client.HTTPResponse` uses one.

    Set `deadline` before a request, in seconds of the monotonic clock, and `budget`, the number of
    bytes that may still be read. Reading raises `TimeoutError` after the deadline, `TooLargeError` if
    the budget is used up, and `StoodStillError` at once when the process goes on after it stood still.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.deadline = 0.0
        self.budget = 0

    def makefile(self, mode: str) -> io.BufferedReader:
        """A reader of the connection, as `socket.makefile("rb")`. Closing it leaves the socket open."""
        assert mode == "rb"  # noqa: S101 - http.client asks for nothing else
        return io.BufferedReader(_Bytes(self))

    def send(self, data: bytes) -> None:
        """Send all of `data`, which is short."""
        self.socket.settimeout(SEND_SECONDS)
        self.socket.sendall(data)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class _Bytes(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            before = clock.now()
            left = self._wire.deadline - before.monotonic
            if left <= 0:
                raise TimeoutError("no answer in time")
            if self._wire.budget <= 0:
                raise TooLargeError("the answer is too large")
            self._wire.socket.settimeout(min(clock.SLICE, left))
            try:
                count = self._wire.socket.recv_into(buffer)
            except TimeoutError:
                count = -1
            if clock.jumped(before, clock.now()):
                raise StoodStillError("the process stood still")
            if count >= 0:
                self._wire.budget -= count
                return count


def tune(connection: socket.socket) -> None:
    """Let the kernel notice a dead peer within half a minute, as far as it has these options."""
    options = (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 10),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 15_000),
    )
    for level, name, value in options:
        number = getattr(socket, name, None)
        if number is None:
            continue
        try:
            connection.setsockopt(level, number, value)
        except OSError:
            continue


def after(seconds: float) -> float:
    """The deadline in `seconds`."""
    return time.monotonic() + seconds
