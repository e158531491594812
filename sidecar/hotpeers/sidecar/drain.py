"""Waits until the agent's turns have ended. kubelet asks for this before it stops the container.

While a request waits, a file beside the peer file announces the drain to the shim. The shim then
writes its turns file twice a second and moves clients to other pods. No turn is rejected meanwhile.
Each waiting request has its own time limit, so one request cannot use up the time of another
(docs/decisions/drain.md).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hotpeers_shim.contract.turns import DRAINING_FILE

from .acks.turns import Activity, Process, TurnsReader

logger = logging.getLogger(__name__)

LEAST_SECONDS = 5.0
"""The shortest drain: time to remove the pod from every node's rules and to close idle connections."""
QUIET_SECONDS = 1.0
"""Seconds without a turn in flight before the agent counts as idle.

A client that sends several turns pauses between them.
"""
GONE_SECONDS = 15.0
"""While the pod drains, a process whose turns file is older than this has ended.

It would write twice a second.
"""
ENDED_SECONDS = 3.0
"""The same limit, for a process that was asked to end."""
LONGEST_SECONDS = 3600.0
"""Maximum seconds to wait for the end of the agent's processes; kubelet's own limit is shorter."""
_LOOK_SECONDS = 0.2


class Outcome(StrEnum):
    """How a drain ended."""

    IDLE = "idle"
    """No turn is in flight."""
    BOUND = "bound"
    """The time limit was reached; turns in flight may be cut."""
    ENDED = "ended"
    """All processes of the agent have ended: no turns file is written any more."""
    ABANDONED = "abandoned"
    """The client closed its connection."""
    OFF = "off"
    """Drains are switched off."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a drain ended, after how many seconds, and with how many turns in flight."""

    outcome: Outcome
    seconds: float = 0.0
    active: int = 0

    def __str__(self) -> str:
        return f"{self.outcome} after {self.seconds:.1f} s, {self.active} turns in flight"


class Drain:
    """The drains of one pod. `seconds` bounds each of them; 0 switches them off."""

    def __init__(self, folder: Path, turns: TurnsReader, seconds: float) -> None:
        self._sign = folder / DRAINING_FILE
        self._turns = turns
        self._seconds = seconds
        self._waiting = 0
        self._seen: list[Process] = []
        self._seen_at = float("-inf")
        # Remove the file that a killed sidecar may have left.
        self._take_down()

    def activity(self) -> Activity:
        """The current activity of the agent."""
        return self._turns.activity(draining=self._waiting > 0)

    async def wait(
        self, *, until_ended: bool = False, is_gone: Callable[[], bool] = lambda: False
    ) -> Ended:
        """Wait for the turns to end; with `until_ended`, for the agent's processes to end.

        `is_gone` returns whether the client has closed its connection.
        """
        if self._seconds <= 0:
            return Ended(Outcome.OFF)
        begun = time.monotonic()
        with self._sign_up() as signed:
            logger.info("draining: %d turns in flight", _active(self._look()))
            waiting = _Ending() if until_ended else _Quiet(self._seconds, signed=signed)
            while True:
                seen = self._look()
                passed = time.monotonic() - begun
                outcome = Outcome.ABANDONED if is_gone() else waiting.outcome(seen, passed)
                if outcome is not None:
                    ended = Ended(outcome, passed, _active(seen))
                    level = logging.WARNING if outcome is Outcome.BOUND else logging.INFO
                    logger.log(level, "drain: %s", ended, extra={"outcome": outcome.value})
                    return ended
                await asyncio.sleep(_LOOK_SECONDS)

    def _look(self) -> list[Process]:
        # All waiting requests share one read, because any client on the pod's network can send one.
        now = time.monotonic()
        if now - self._seen_at >= _LOOK_SECONDS / 2:
            self._seen, self._seen_at = self._turns.processes(), now
        return self._seen

    @contextmanager
    def _sign_up(self) -> Iterator[bool]:
        """Announce the drain to the processes; yields whether the announcing file was written."""
        self._waiting += 1
        signed = True
        try:
            try:
                self._sign.touch()
            except OSError as error:
                signed = False
                logger.warning("drain: %s cannot be written: %s", self._sign, error)
            yield signed
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._take_down()

    def _take_down(self) -> None:
        with suppress(OSError):
            self._sign.unlink()


def _active(seen: list[Process]) -> int:
    return sum(process.turns.active for process in seen)


class _Quiet:
    """Waits for the turns to end, at most `bound` seconds.

    `signed` is whether the drain was announced to the processes. If not, a process need not confirm
    it.
    """

    def __init__(self, bound: float, *, signed: bool) -> None:
        self._bound = bound
        self._signed = signed
        self._since: float | None = None

    def outcome(self, seen: list[Process], passed: float) -> Outcome | None:
        """The outcome of the drain after `passed` seconds; None while it continues."""
        # Before a process has confirmed the drain, its number of turns may be out of date.
        busy = any(
            (one.turns.active or (self._signed and not one.turns.draining))
            and min(one.age, passed) < GONE_SECONDS
            for one in seen
        )
        self._since = None if busy else passed if self._since is None else self._since
        quiet = self._since is not None and passed - self._since >= QUIET_SECONDS
        if quiet and passed >= min(LEAST_SECONDS, self._bound):
            return Outcome.IDLE
        return Outcome.BOUND if passed >= self._bound else None


class _Ending:
    """Waits for the processes to end."""

    def outcome(self, seen: list[Process], passed: float) -> Outcome | None:
        """The outcome of the drain after `passed` seconds; None while it continues."""
        alive = any(min(one.age, passed) < ENDED_SECONDS for one in seen)
        if not alive and passed >= LEAST_SECONDS:
            return Outcome.ENDED
        return Outcome.BOUND if passed >= LONGEST_SECONDS else None
