"""Waits until the agent's turns have ended: what kubelet asks for before it stops the agent's container.

While anybody waits, a file beside the peer file says so to the shim, which then writes twice a second
and moves clients to other pods. Nothing is refused meanwhile. Each of those who wait has a bound of their
own, so that none can use up another one's (docs/decisions/drain.md).
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
"""The shortest drain: until the pod is in no node's rules any more, and idle connections have closed."""
QUIET_SECONDS = 1.0
"""How long no turn may be in flight: a client of several turns is between two of them."""
GONE_SECONDS = 15.0
"""A process that says nothing for so long while the pod drains is gone: it writes twice a second."""
ENDED_SECONDS = 3.0
"""The same of a process that was asked to end."""
LONGEST_SECONDS = 3600.0
"""How long the end of the agent's processes is waited for at the most; kubelet's own bound is shorter."""
_LOOK_SECONDS = 0.2


class Outcome(StrEnum):
    """How a drain ended."""

    IDLE = "idle"
    """No turn is in flight."""
    BOUND = "bound"
    """The bound is over; the turns that are in flight may be cut."""
    ENDED = "ended"
    """No process of the agent says anything any more."""
    ABANDONED = "abandoned"
    """Whoever asked has gone."""
    OFF = "off"
    """The pod is not to be drained."""


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
        # A sidecar that was killed may have left it.
        self._take_down()

    def activity(self) -> Activity:
        """What the agent does now."""
        return self._turns.activity(draining=self._waiting > 0)

    async def wait(
        self, *, until_ended: bool = False, is_gone: Callable[[], bool] = lambda: False
    ) -> Ended:
        """Wait for the turns to end, or `until_ended` for the processes of the agent.

        `is_gone` is whether nobody waits for the answer any more.
        """
        if self._seconds <= 0:
            return Ended(Outcome.OFF)
        begun = time.monotonic()
        with self._sign_up() as signed:
            logger.info("draining: %d turns in flight", _active(self._look()))
            judge = _Ending() if until_ended else _Quiet(self._seconds, signed=signed)
            while True:
                seen = self._look()
                passed = time.monotonic() - begun
                outcome = Outcome.ABANDONED if is_gone() else judge.outcome(seen, passed)
                if outcome is not None:
                    ended = Ended(outcome, passed, _active(seen))
                    level = logging.WARNING if outcome is Outcome.BOUND else logging.INFO
                    logger.log(level, "drain: %s", ended, extra={"outcome": outcome.value})
                    return ended
                await asyncio.sleep(_LOOK_SECONDS)

    def _look(self) -> list[Process]:
        # One look serves all who wait: anybody on the pod's network may ask.
        now = time.monotonic()
        if now - self._seen_at >= _LOOK_SECONDS / 2:
            self._seen, self._seen_at = self._turns.processes(), now
        return self._seen

    @contextmanager
    def _sign_up(self) -> Iterator[bool]:
        """Ask the processes to drain; whether the file that asks them could be written."""
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
    """Waits for the turns: `bound` is the longest time.

    `signed` is whether the processes were asked to drain; else what they say by themselves must do.
    """

    def __init__(self, bound: float, *, signed: bool) -> None:
        self._bound = bound
        self._signed = signed
        self._since: float | None = None

    def outcome(self, seen: list[Process], passed: float) -> Outcome | None:
        """How the drain ends after `passed` seconds; None where it goes on."""
        # Of one that has not said that it knows of the drain, the number may be an old one.
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
    """Waits for the processes."""

    def outcome(self, seen: list[Process], passed: float) -> Outcome | None:
        """How it ends after `passed` seconds; None where it goes on."""
        alive = any(min(one.age, passed) < ENDED_SECONDS for one in seen)
        if not alive and passed >= LEAST_SECONDS:
            return Outcome.ENDED
        return Outcome.BOUND if passed >= LONGEST_SECONDS else None
