"""Detects an agent that runs without the shim: it serves, but no process writes an ack."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from ...base.problems import Problem
from ...base.reasons import sentence_of
from ..reasons import SidecarReason

_LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp (`TCP_LISTEN` of the kernel)."""
_MAX_TABLE = 4 * 1024 * 1024
_PATIENCE = 30.0
"""Seconds that a serving agent may have no ack; a process with the shim acks before it serves."""
_LONG_PATIENCE = 300.0
"""The same if it is unknown when the agent serves: its image may have to be pulled first."""


class Silence:
    """Watches for an agent that serves at `ports` without any ack.

    If `ports` is empty and an agent is `expected`, the patience starts when this object is created.
    If no agent is expected either, the check is disabled. `tables` is the folder with the files tcp
    and tcp6.
    """

    def __init__(
        self,
        ports: frozenset[int],
        *,
        expected: bool = False,
        patience: float | None = None,
        tables: Path = Path("/proc/net"),
    ) -> None:
        self._ports = ports
        self._tables = tables
        self._looks = bool(ports) or expected
        usual = _PATIENCE if ports else _LONG_PATIENCE
        self._patience = usual if patience is None else patience
        self._since = None if ports else time.monotonic()
        self.problem: Problem | None = None

    def changes(self, *, heard: bool) -> bool:
        """Run the check. `heard` is whether any process has an ack. Returns whether `problem` changed."""
        if not self._looks:
            return False
        before = self.problem
        now = time.monotonic()
        if heard:
            self._since, self.problem = (None if self._ports else now), None
        elif self._ports and not self._serves(self._ports):
            # The agent is down or starting: the next start may load the shim, so begin again.
            self._since, self.problem = None, None
        else:
            self._since = now if self._since is None else self._since
            if now - self._since >= self._patience:
                reason = SidecarReason.SHIM_NOT_LOADED
                self.problem = self.problem or Problem("agent", reason, sentence_of(reason))
        return self.problem != before

    def _serves(self, ports: frozenset[int]) -> bool:
        """Whether a socket listens on one of the ports; containers of a pod share their network."""
        return any(
            not ports.isdisjoint(_listening(self._tables / name)) for name in ("tcp", "tcp6")
        )


def _listening(table: Path) -> set[int]:
    found = set()
    with suppress(OSError), table.open(encoding="ascii", errors="replace") as file:
        # Columns: sl local_address rem_address st …; the hexadecimal port follows the last colon.
        for line in file.read(_MAX_TABLE).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTENING:
                with suppress(ValueError):
                    found.add(int(fields[1].rpartition(":")[2], 16))
    return found
