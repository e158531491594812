"""Counts the turns in flight in this process, and writes them to `turns-<pid>.json`.

A turn is a request or an invocation of an agent, or both: what an invocation does for a request counts
once, and goes on to count where it outlives the request (docs/decisions/drain.md). To begin and to end a
hold is one operation on a set each, which the interpreter does whole: no lock, so that no turn ever waits
for another one, for the thread that writes, or for a fork.
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
"""How often the thread looks for a drain, and whether there is something new to write."""
DRAINING_SECONDS = 0.5
"""How often it writes while the pod drains: a process that stops to is gone."""
HEARTBEAT_SECONDS = 15.0
"""How often it writes otherwise, where nothing changed."""

current: contextvars.ContextVar[int] = contextvars.ContextVar("hotpeers_turn", default=0)
"""The turn that the running code works for; 0 where it is none's."""

_numbers = itertools.count(1)


class Hold:
    """One reason why a turn is in flight. It ends once, at the latest when nothing refers to it."""

    __slots__ = ("_key", "_owner")

    def __init__(self, owner: Turnstile, turn: int) -> None:
        self._owner = owner
        self._key = (turn, next(_numbers))
        owner.holds.add(self._key)

    @property
    def turn(self) -> int:
        """The number of its turn."""
        return self._key[0]

    def end(self) -> None:
        """End it; again does nothing."""
        self._owner.end(self._key)

    # The generator of an invocation may be dropped where no event loop closes it any more.
    __del__ = end


class Turnstile:
    """The turns of this process. Safe to use from any thread; no method raises."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.ack_dir
        self._sign = settings.peer_file.parent / DRAINING_FILE
        self.holds: set[tuple[int, int]] = set()
        """The turn and the number of each hold."""
        self.draining = False
        """Whether the pod drains, as of the last look."""
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew: the turns and the thread are those of the process that was forked."""
        self.holds.clear()
        self._idle_since = time.time()
        self._starting = threading.Lock()
        self._runs = False

    def begin(self, turn: int = 0) -> Hold:
        """Hold a turn, a new one where it is not said which."""
        self.start()
        return Hold(self, turn or next(_numbers))

    def end(self, key: tuple[int, int]) -> None:
        """End the hold of that key."""
        if key in self.holds:
            self.holds.discard(key)
            self._idle_since = time.time()

    def turns(self) -> Turns:
        """What there is to say to the sidecar, without its time."""
        active = len({turn for turn, _ in tuple(self.holds)})
        return Turns(os.getpid(), active, None if active else self._idle_since, self.draining)

    def start(self) -> None:
        """Start the thread that writes, once a process."""
        if self._runs:
            return
        with self._starting:
            if self._runs:
                return
            self._runs = True
            with contextlib.suppress(RuntimeError):  # there may be no other thread
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
    """The one `Turnstile` of this process, made of the environment at its first use."""
    global _turnstile  # noqa: PLW0603 - the process has one
    if _turnstile is None:
        with _lock:
            if _turnstile is None:
                _turnstile = Turnstile(Settings.read())
    return _turnstile
