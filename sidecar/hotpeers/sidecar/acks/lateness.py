"""Detects agent processes that do not load a change of the peer file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hotpeers_shim.contract import AckState

from .reader import Acks

PATIENCE_SECONDS = 60.0
"""A process normally loads a change within a second."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Wait:
    """A process has not loaded `generation` since `since`, a monotonic time."""

    generation: int
    since: float


class Lateness:
    """Reports each time that processes become late by `patience` seconds.

    A process that refused a file, or whose shim failed, is not late: its ack says what is wrong.
    """

    def __init__(
        self, patience: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._waits: dict[int, _Wait] = {}
        self._reported = False

    def look(self, generation: int, acks: Acks) -> str:
        """Compare the newest generation with the acks. Returns a text if processes became late."""
        now = self._clock()
        live = {ack.pid: ack.generation or 0 for ack in acks.acks if ack.state is AckState.ACTIVE}
        waits: dict[int, _Wait] = {}
        for pid, loaded in live.items():
            wait = self._waits.get(pid)
            # With a change each second a process is always behind, but each time another one.
            if wait is None or loaded >= wait.generation:
                wait = _Wait(generation, now) if loaded < generation else None
            if wait is not None:
                waits[pid] = wait
        self._waits = waits
        late = sorted(pid for pid, wait in waits.items() if now - wait.since >= self._patience)
        before, self._reported = self._reported, bool(late)
        if before or not late:
            return ""
        shown = ", ".join(f"process {pid} (generation {live[pid]})" for pid in late[:_SHOWN])
        more = f" and {len(late) - _SHOWN} more" if len(late) > _SHOWN else ""
        return f"generation {generation} is not live after {self._patience:g} s in {shown}{more}"
