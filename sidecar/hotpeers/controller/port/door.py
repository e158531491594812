"""Accepts connections, starts TLS within the limits, and closes connections that are too slow."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Protocol

from .connections import Connection, Stage
from .limits import Limits
from .line import Line
from .secured import Secured

_ACCEPTS = 64
"""Connections that are accepted at once, before the event loop can do anything else."""
_HANDSHAKE = b"\x16"
"""The first byte of TLS."""
_LOOK_SECONDS = 0.25
_CLOSE_SECONDS = 2.0
_RETRY_SECONDS = 0.1


class Observer(Protocol):
    """Reports open and closed connections to the operator."""

    def count_connections(self, stage: str, count: Callable[[], float]) -> None:
        """Register `count`, which returns the number of connections in a stage."""

    def connection_dropped(self, why: str) -> None:
        """A connection was closed. `why` is the stage that was full, or "late"."""


class Door:
    """The connections of one port. `factory` creates aiohttp's protocol for a connection.

    A connection costs only a file descriptor until its first byte. Then it waits for its TLS
    handshake. The next handshake is for the source address with the fewest connections; of this
    source, the oldest connection is next.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        limits: Limits,
        observer: Observer | None = None,
    ) -> None:
        self._factory, self._context, self._limits = factory, context, limits
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self.silent = Stage("silent", limits.silent)
        self.fresh = Stage("fresh", limits.fresh)
        self.kept = Stage("kept", limits.kept)
        if observer is not None:
            for stage in self.stages:
                observer.count_connections(stage.name, stage.__len__)
        self._lines: dict[Connection, Line] = {}
        self._spoken: dict[str, dict[Connection, None]] = {}
        self._starts: set[asyncio.Task[None]] = set()
        self._tokens = float(limits.handshake_burst)
        self._counted = self._loop.time()
        self._later: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._listeners: list[socket.socket] = []

    @property
    def stages(self) -> tuple[Stage, Stage, Stage]:
        """All stages, in the order in which a connection passes them."""
        return self.silent, self.fresh, self.kept

    def open(self, listeners: Iterable[socket.socket]) -> None:
        """Accept connections of these sockets, which must be non-blocking."""
        for listener in listeners:
            self._listeners.append(listener)
            self._loop.add_reader(listener, self._accept, listener)
        self._look = self._loop.call_later(_LOOK_SECONDS, self._close_overdue)

    def stop(self) -> None:
        """Accept no more connections. Connections with TLS stay open."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for one in list(self.silent):
            self._abort(one)

    def close(self) -> None:
        """Close everything."""
        self.stop()
        for handle in (self._look, self._later):
            if handle is not None:
                handle.cancel()
        for stage in self.stages:
            for one in list(stage):
                self._abort(one)

    # -- silent: no handshake yet

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Out of file descriptors or memory: close a silent connection first.
                self._make_room(self.silent)
                self._loop.remove_reader(listener)
                self._loop.call_later(_RETRY_SECONDS, self._accept_again, listener)
                return
            sock.setblocking(False)
            if self.silent.is_full and not self._make_room(self.silent):
                sock.close()
                continue
            connection = Connection(sock, str(address[0]))
            self.silent.enter(connection, self._loop.time() + self._limits.silent_seconds)
            self._loop.add_reader(sock, self._spoke, connection)

    def _accept_again(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _spoke(self, connection: Connection) -> None:
        """A connection has its first byte, or was closed by the caller."""
        self._loop.remove_reader(connection.sock)
        try:
            first = connection.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            first = b""
        if first != _HANDSHAKE:
            self._abort(connection)
            return
        self._spoken.setdefault(connection.source, {})[connection] = None
        self._start()

    # -- fresh: TLS

    def _start(self) -> None:
        """Begin as many handshakes as the limits allow now."""
        now = self._loop.time()
        gained = (now - self._counted) * self._limits.handshakes
        self._tokens = min(self._tokens + gained, float(self._limits.handshake_burst))
        self._counted = now
        while self._spoken:
            if self._tokens < 1:
                if self._later is None:
                    seconds = (1 - self._tokens) / self._limits.handshakes
                    self._later = self._loop.call_later(seconds, self._start_later)
                return
            if self.fresh.is_full and not self._make_room(self.fresh):
                return
            self._tokens -= 1
            connection = self._next()
            self.fresh.enter(connection, now + self._limits.head_seconds)
            task = self._loop.create_task(self._secure(connection), name="TLS")
            self._starts.add(task)
            task.add_done_callback(self._starts.discard)

    def _start_later(self) -> None:
        self._later = None
        self._start()

    def _next(self) -> Connection:
        """Remove and return the connection whose handshake is next."""
        source = min(self._spoken, key=self.fresh.count_of)
        found = self._spoken.pop(source)
        connection = next(iter(found))
        del found[connection]
        if found:
            # Move the source behind others with the same number of connections.
            self._spoken[source] = found
        return connection

    async def _secure(self, connection: Connection) -> None:
        limits = self._limits
        if connection.stage is None:
            return
        connection.started = True
        line = Line(self._factory(), connection, limits, self._answered)
        self._lines[connection] = line

        def protocol() -> Secured:
            return Secured(
                line, self._context, lambda: self._lost(connection), seconds=limits.head_seconds
            )

        try:
            transport, _ = await self._loop.connect_accepted_socket(protocol, connection.sock)
        except OSError:
            connection.sock.close()
            self._lost(connection)
            return
        connection.transport = transport
        if connection.stage is None:
            transport.abort()

    # -- kept: answered

    def _answered(self, connection: Connection) -> None:
        if connection.stage is None:
            return
        if connection.stage is self.fresh and self.kept.is_full and not self._make_room(self.kept):
            self._close(connection)
            return
        self.kept.enter(connection, self._loop.time() + self._limits.idle_seconds)
        self._start()

    # -- the end

    def _make_room(self, stage: Stage) -> bool:
        """Close a connection of a stage for another one. Returns False if none can be closed."""
        victim = stage.victim()
        if victim is None:
            return False
        self._tell_dropped(stage.name)
        if stage is self.kept:
            self._close(victim)
        else:
            self._abort(victim)
        return True

    def _tell_dropped(self, why: str) -> None:
        if self._observer is not None:
            self._observer.connection_dropped(why)

    def _close(self, connection: Connection) -> None:
        """Close a connection after its answer is sent, and abort it if that takes too long."""
        line, transport = self._lines.get(connection), connection.transport
        self._forget(connection)
        if line is not None and transport is not None:
            line.close()
            self._loop.call_later(_CLOSE_SECONDS, transport.abort)

    def _abort(self, connection: Connection) -> None:
        self._forget(connection)
        connection.abort()

    def _lost(self, connection: Connection) -> None:
        self._forget(connection)
        self._start()

    def _forget(self, connection: Connection) -> None:
        if connection.stage is self.silent:
            self._loop.remove_reader(connection.sock)
            found = self._spoken.get(connection.source, {})
            found.pop(connection, None)
            if not found:
                self._spoken.pop(connection.source, None)
        if connection.stage is not None:
            connection.stage.remove(connection)
        self._lines.pop(connection, None)

    def _close_overdue(self) -> None:
        self._look = self._loop.call_later(_LOOK_SECONDS, self._close_overdue)
        now = self._loop.time()
        for stage in self.stages:
            for one in stage:
                if one.deadline <= now:
                    self._tell_dropped("late")
                    self._abort(one)
        self._start()
