"""Counts the turns in flight in this process, and writes them to `turns-<pid>.json`.

A turn is a request, an invocation of an agent, or both. A request and its invocation count as one
turn. That turn lasts until both have ended (docs/decisions/drain.md).

The start and the end of a hold are one set operation each, which is atomic in the interpreter. They
need no lock, so a turn never waits for another turn, for the writing thread or for a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import itertools
import logging
import os
import threading
import time
from pathlib import Path

from .contract.turns import DRAINING_FILE, Turns, dump_turns
from .settings import Settings

logger = logging.getLogger("hotpeers_shim")

LOOK_SECONDS = 0.2
"""How often the thread checks for a drain and for a change that it must write."""
DRAINING_SECONDS = 0.5
"""How often it writes during a drain. The sidecar takes a process that stops writing for ended."""
HEARTBEAT_SECONDS = 15.0
"""How often it writes at other times, if nothing changed."""

current: contextvars.ContextVar[int] = contextvars.ContextVar("hotpeers_turn", default=0)
"""The number of the turn that the running code belongs to; 0 if it belongs to no turn."""

_numbers = itertools.count(1)


class Hold:
    """One reason why a turn is in flight. It ends by `end`, or at its garbage collection."""

    __slots__ = ("_key", "_owner")

    def __init__(self, owner: Turnstile, turn: int) -> None:
        self._owner = owner
        self._key = (turn, next(_numbers))
        owner.holds.add(self._key)

    @property
    def turn(self) -> int:
        """The number of the turn that this hold keeps in flight."""
        return self._key[0]

    def end(self) -> None:
        """End the hold. A second call does nothing."""
        self._owner.end(self._key)

    # An invocation's generator may be dropped when no event loop is left to close it.
    __del__ = end


class Turnstile:
    """The turns of this process. Safe to use from any thread; no method raises."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.ack_dir
        self._sign = settings.peer_file.parent / DRAINING_FILE
        self.holds: set[tuple[int, int]] = set()
        """The turn and the number of each hold."""
        self.draining = False
        """Whether the pod drains, as of the thread's last check."""
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Reset the state. After a fork, the turns and the thread belong to the parent process."""
        self.holds.clear()
        self._idle_since = time.time()
        self._starting = threading.Lock()
        self._runs = False

    def begin(self, turn: int = 0) -> Hold:
        """Hold the turn with this number, or a new turn for 0."""
        self.start()
        return Hold(self, turn or next(_numbers))

    def end(self, key: tuple[int, int]) -> None:
        """End the hold with this key, if it has not ended yet."""
        if key in self.holds:
            self.holds.discard(key)
            self._idle_since = time.time()

    def turns(self) -> Turns:
        """The current report for the sidecar, with its `time` not set."""
        active = len({turn for turn, _ in tuple(self.holds)})
        return Turns(os.getpid(), active, None if active else self._idle_since, self.draining)

    def start(self) -> None:
        """Start the writing thread, once per process."""
        if self._runs:
            return
        with self._starting:
            if self._runs:
                return
            self._runs = True
            with contextlib.suppress(RuntimeError):  # the process may be unable to start a thread
                threading.Thread(target=self._run, name="hotpeers turns", daemon=True).start()

    def _run(self) -> None:
        path = self._folder / f"turns-{os.getpid()}.json"
        atexit.register(_remove, path)
        written, due, complained = None, 0.0, False
        while True:
            try:
                self.draining = os.path.lexists(self._sign)
                found = self.turns()
                if found != written or time.monotonic() >= due:
                    pause = DRAINING_SECONDS if self.draining else HEARTBEAT_SECONDS
                    due = time.monotonic() + pause
                    _write(path, found)
                    written, complained = found, False
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                if not complained:
                    logger.info("turns not written to %s: %s", self._folder, error)
                complained = True
            time.sleep(LOOK_SECONDS)


def _write(path: Path, turns: Turns) -> None:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    now = Turns(turns.pid, turns.active, turns.idleSince, turns.draining, time.time())
    temporary.write_bytes(dump_turns(now))
    temporary.replace(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


_turnstile: Turnstile | None = None
_lock = threading.Lock()


def get() -> Turnstile:
    """The one `Turnstile` of this process. The first call creates it from the environment."""
    global _turnstile  # noqa: PLW0603 - the process has one
    if _turnstile is None:
        with _lock:
            if _turnstile is None:
                _turnstile = Turnstile(Settings.read())
    return _turnstile
