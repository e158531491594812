"""Reads the turns files, in which the agent's processes report their turns in flight."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from hotpeers_shim.contract.turns import MAX_TURNS_BYTES, Turns, load_turns

SILENT_SECONDS = 60.0
"""A process whose file is older than this has ended: the shim rewrites it every 15 seconds."""
_MAX_FILES = 256
_NAME = re.compile(r"turns-\d{1,10}\.json")


@dataclass(frozen=True, slots=True)
class Process:
    """The report of one process, and its age in seconds."""

    turns: Turns
    age: float


@dataclass(frozen=True, slots=True)
class Activity:
    """The turns of all processes of the agent.

    `active` is the number of turns in flight. `idle` is the number of seconds since the last turn
    ended; None while a process is busy, or if no process is idle. `draining` is whether the sidecar
    waits for the turns to end.
    """

    active: int = 0
    idle: float | None = None
    draining: bool = False

    def document(self) -> dict[str, object]:
        """The value of `turns` in `/status`."""
        idle = None if self.idle is None else round(self.idle, 1)
        return {"active": self.active, "idleSeconds": idle, "draining": self.draining}


class TurnsReader:
    """Reads a folder of turns files. The folder may be missing: no agent has started yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def processes(self, silent: float = SILENT_SECONDS) -> list[Process]:
        """The processes whose report is at most `silent` seconds old; the others have ended."""
        now = time.time()
        found = []
        for name in self._names():
            try:
                process = _read(self._folder / name, now)
            except OSError:
                continue
            if process is not None and process.age <= silent:
                found.append(process)
        return found

    def activity(self, *, draining: bool = False) -> Activity:
        """The combined activity of all processes."""
        said = [process.turns for process in self.processes()]
        active = sum(one.active for one in said)
        now = time.time()
        # Another clock, or a file that the shim did not write, could make this negative.
        idle = [max(0.0, now - one.idleSince) for one in said if one.idleSince is not None]
        return Activity(active, min(idle) if idle and not active else None, draining)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        except OSError:
            return []
        return sorted(names)[:_MAX_FILES]


def _read(path: Path, now: float) -> Process | None:
    # Do not block and do not follow links: the agent owns the folder and may put anything there.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        turns = load_turns(file.read(MAX_TURNS_BYTES + 1))
    # Use the time of the file: the time inside the report may come from another clock.
    return Process(turns, now - status.st_mtime) if isinstance(turns, Turns) else None
