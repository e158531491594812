"""Turns of an agent that has no shim: the connections to its port, and the calls of its bridge.

The network namespace of a pod is shared, so /proc/net/tcp shows the connections of the agent's
container. The count goes into a turns file, as the shim's does (docs/decisions/drain.md). An idle
connection that a client keeps open looks like a turn, until the client or the drain's limit ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from hotpeers_shim.contract.turns import DRAINING_FILE, Turns, dump_turns

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_MAX_TABLE_BYTES = 4 * 1024 * 1024


def count_connections(table: Iterable[str], ports: Collection[int]) -> int:
    """How many established connections to local `ports` a table of /proc/net/tcp lists."""
    count = 0
    for line in table:
        fields = line.split()
        if len(fields) < 4 or fields[3] != _ESTABLISHED:
            continue
        with suppress(ValueError):
            count += int(fields[1].rpartition(":")[2], 16) in ports
    return count


class BridgeTurns:
    """Writes the turns file of the agent beside this bridge."""

    def __init__(
        self,
        ack_dir: Path,
        peer_file: Path,
        ports: Collection[int],
        calls: Callable[[], int],
        *,
        tables: Iterable[Path] = TABLES,
    ) -> None:
        self._path = ack_dir / f"turns-{os.getpid()}.json"
        self._sign = peer_file.parent / DRAINING_FILE
        self._ports = ports
        self._calls = calls
        self._tables = tuple(tables)
        self._idle_since: float | None = time.time()

    async def run(self) -> None:
        """Count and write until cancelled. Then the file is removed."""
        written, due = None, 0.0
        try:
            while True:
                turns = self.turns()
                if turns != written or time.monotonic() >= due:
                    pause = LOOK_SECONDS if turns.draining else HEARTBEAT_SECONDS
                    due = time.monotonic() + pause
                    if self._write(turns):
                        written = turns
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            with suppress(OSError):
                self._path.unlink()

    def turns(self) -> Turns:
        """The turns now, with `time` not set."""
        # Each call of the bridge belongs to a turn, which has a connection, unless the client left.
        active = max(self._connections(), self._calls())
        if active:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.time()
        return Turns(os.getpid(), active, self._idle_since, os.path.lexists(self._sign))

    def _connections(self) -> int:
        count = 0
        for table in self._tables:
            with suppress(OSError), table.open("rb") as file:
                text = file.read(_MAX_TABLE_BYTES).decode("ascii", "replace")
                count += count_connections(text.splitlines(), self._ports)
        return count

    def _write(self, turns: Turns) -> bool:
        now = Turns(turns.pid, turns.active, turns.idleSince, turns.draining, time.time())
        temporary = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(mode=0o755, exist_ok=True)
            temporary.write_bytes(dump_turns(now))
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("%s: %s: turns are not reported", self._path, error.strerror or error)
            return False
        return True
