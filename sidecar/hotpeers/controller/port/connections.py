"""Open connections by stage, and the choice of the one to close if a stage is full."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Connection:
    """One connection of a caller at the address `source`. Times are those of the event loop."""

    sock: socket.socket
    source: str
    deadline: float = math.inf
    """The time at which it is closed."""
    busy: bool = False
    """Whether a complete request is being answered. Then no other connection displaces it."""
    started: bool = False
    """Whether the event loop has taken the socket. Then only `transport` may close it."""
    transport: asyncio.Transport | None = None
    """The transport below TLS."""
    stage: Stage | None = None
    """None after the connection was given up."""

    def abort(self) -> None:
        """Close the connection at once. Data that was not sent is lost."""
        if self.stage is not None:
            self.stage.remove(self)
        if self.transport is not None:
            self.transport.abort()
        elif not self.started:
            self.sock.close()


class Stage:
    """The connections of one stage, at most `limit`.

    If it is full, the source with the most connections loses the one that has been in the stage
    longest. So a flooding caller displaces its own connections, and a new caller always gets in.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        self._count = 0
        # Each dict has its connections in the order in which they entered.
        self._by_source: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Connection]:
        return (one for found in list(self._by_source.values()) for one in list(found))

    def count_of(self, source: str) -> int:
        """The number of connections from a source in this stage."""
        return len(self._by_source.get(source, ()))

    def enter(self, connection: Connection, deadline: float) -> None:
        """Move a connection into this stage, as the newest one."""
        if connection.stage is not None:
            connection.stage.remove(connection)
        self._by_source.setdefault(connection.source, {})[connection] = None
        self._count += 1
        connection.stage, connection.deadline = self, deadline

    def remove(self, connection: Connection) -> None:
        """Remove a connection from this stage."""
        found = self._by_source[connection.source]
        del found[connection]
        if not found:
            del self._by_source[connection.source]
        self._count -= 1
        connection.stage = None

    @property
    def is_full(self) -> bool:
        """Whether a connection must be closed before another can enter."""
        return self._count >= self.limit

    def victim(self) -> Connection | None:
        """The connection to close; None if all are busy."""
        for found in sorted(self._by_source.values(), key=len, reverse=True):
            for one in found:
                if not one.busy:
                    return one
        return None
