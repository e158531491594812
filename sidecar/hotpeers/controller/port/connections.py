"""Open connections by stage, and which of them goes where a stage is full."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Connection:
    """One connection of a caller at the address `source`; times are those of the loop."""

    sock: socket.socket
    source: str
    deadline: float = math.inf
    """When it is closed."""
    busy: bool = False
    """Whether a whole request of it is being answered: then it is not closed for another."""
    started: bool = False
    """Whether the loop has its socket; then only `transport` may close it."""
    transport: asyncio.Transport | None = None
    """Below TLS."""
    stage: Stage | None = None
    """None once it is given up."""

    def abort(self) -> None:
        """Close it at once; what was not sent is lost."""
        if self.stage is not None:
            self.stage.remove(self)
        if self.transport is not None:
            self.transport.abort()
        elif not self.started:
            self.sock.close()


class Stage:
    """The connections of one stage, at most `limit`.

    Where it is full, the connection that goes is of the source that has most of them, and has been in
    the stage longest. So a caller that floods takes its own places, and a new one always gets in.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        self._count = 0
        # Insertion keeps the order of entering.
        self._by_source: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Connection]:
        return (one for found in list(self._by_source.values()) for one in list(found))

    def count_of(self, source: str) -> int:
        """How many of a source are here."""
        return len(self._by_source.get(source, ()))

    def enter(self, connection: Connection, deadline: float) -> None:
        """Take a connection from the stage that it is in, or as the newest of this one."""
        if connection.stage is not None:
            connection.stage.remove(connection)
        self._by_source.setdefault(connection.source, {})[connection] = None
        self._count += 1
        connection.stage, connection.deadline = self, deadline

    def remove(self, connection: Connection) -> None:
        """Forget a connection of this stage."""
        found = self._by_source[connection.source]
        del found[connection]
        if not found:
            del self._by_source[connection.source]
        self._count -= 1
        connection.stage = None

    @property
    def is_full(self) -> bool:
        """Whether one must go before another comes."""
        return self._count >= self.limit

    def victim(self) -> Connection | None:
        """Which one must go; None where all are busy."""
        for found in sorted(self._by_source.values(), key=len, reverse=True):
            for one in found:
                if not one.busy:
                    return one
        return None
