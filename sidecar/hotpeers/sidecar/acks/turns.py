"""The turns in flight in the agent's processes, as they say so in their turns files."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from hotpeers_shim.contract.turns import MAX_TURNS_BYTES, Turns, load_turns

SILENT_SECONDS = 60.0
"""A process that says nothing for so long is gone: the shim repeats its file every 15 seconds."""
_MAX_FILES = 256
_NAME = re.compile(r"turns-\d{1,10}\.json")


@dataclass(frozen=True, slots=True)
class Process:
    """What one process says, and how many seconds ago it did."""

    turns: Turns
    age: float


@dataclass(frozen=True, slots=True)
class Activity:
    """What all processes of the agent do. `idle` is None where one is busy, or where there is none.

    `idle` is in seconds; `draining` is whether the sidecar waits for the turns to end.
    """

    active: int = 0
    idle: float | None = None
    draining: bool = False

    def document(self) -> dict[str, object]:
        """The `turns` of `/status`."""
        idle = None if self.idle is None else round(self.idle, 1)
        return {"active": self.active, "idleSeconds": idle, "draining": self.draining}


class TurnsReader:
    """Reads a folder of turns files. The folder may be missing: no agent has started yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def processes(self, silent: float = SILENT_SECONDS) -> list[Process]:
        """The processes that have said something in the last `silent` seconds; others are gone."""
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
        """All of that in one."""
        said = [process.turns for process in self.processes()]
        active = sum(one.active for one in said)
        now = time.time()
        # A file of another clock, or of a program that is not ours, makes no negative number.
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
    # Without blocking, and no links: the folder belongs to the agent, which may put anything there.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        turns = load_turns(file.read(MAX_TURNS_BYTES + 1))
    # Its own time may be that of another clock; that of the file is the sidecar's.
    return Process(turns, now - status.st_mtime) if isinstance(turns, Turns) else None
