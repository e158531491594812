"""Reads and follows the ack files, in which agent processes report what they have live."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

from hotpeers_shim.contract import (
    MAX_ACK_BYTES,
    Ack,
    AckState,
    ConfigAck,
    Rejection,
    clean_text,
    load_ack,
)

from ...base.problems import Problem

SILENT_SECONDS = 60.0
"""A process whose ack is older than this has ended: the shim rewrites its ack every 15 seconds."""
_LOOK_SECONDS = 0.1
_MAX_ACKS = 256
# Larger generations are ignored: no sidecar counts that far, and counting on from there would
# leave no room for the next generation.
_BELIEVABLE = 2**53
_NAME = re.compile(r"ack-\d{1,10}\.json")


@dataclass(frozen=True, slots=True)
class Acks:
    """The acks of the running processes, in the order of their file names.

    `problems` has one entry for each ack file that is not valid.
    """

    acks: tuple[Ack, ...] = ()
    problems: tuple[Problem, ...] = ()
    users: frozenset[int] = frozenset()
    """The user IDs that the processes run as: the owners of their ack files."""

    @property
    def generation(self) -> int | None:
        """The generation that every agent process has live; None without a process."""
        live = [ack.generation or 0 for ack in self.acks]
        return min(live) if live else None

    @property
    def largest(self) -> int:
        """The largest live generation of any agent process, without implausible numbers."""
        live = (ack.generation or 0 for ack in self.acks)
        return max((generation for generation in live if generation < _BELIEVABLE), default=0)

    @property
    def refusing(self) -> tuple[Ack, ...]:
        """The acks of processes that rejected the newest peer file, or whose shim failed."""
        return tuple(ack for ack in self.acks if ack.state is not AckState.ACTIVE)


@dataclass(slots=True)
class _Known:
    signature: tuple[int, ...]
    user: int
    content: Ack | Problem


class AckReader:
    """Reads a folder of ack files. The folder may be missing: no agent has started yet."""

    def __init__(self, folder: Path, *, silent: float = SILENT_SECONDS) -> None:
        self._folder = folder
        self._silent = silent
        self._known: dict[str, _Known] = {}

    async def changes(self) -> AsyncGenerator[Acks, None]:
        """Yield the current acks, and then again after each change, forever."""
        last: Acks | None = None
        while True:
            acks = self.read()
            if acks != last:
                last = acks
                yield acks
            # Polling costs microseconds. An idle watch would cost more.
            await asyncio.sleep(_LOOK_SECONDS)

    def read(self) -> Acks:
        """The current acks. Only files that changed since the last call are read again."""
        now = time.time()
        found: dict[str, _Known] = {}
        for name in self._names():
            path = self._folder / name
            try:
                # `lstat`, because a link may lead to a file that does not belong to the agent.
                status = path.lstat()
                signature = (status.st_ino, status.st_size, status.st_mtime_ns)
                if stat.S_ISLNK(status.st_mode):
                    continue
                # Use the time of the file: the time inside the ack may come from another clock.
                if now - status.st_mtime > self._silent:
                    continue
                known = self._known.get(name)
                if known is None or known.signature != signature:
                    known = _Known(signature, status.st_uid, _load(path))
                found[name] = known
            except OSError:
                continue
        self._known = found
        contents = [known.content for known in found.values()]
        return Acks(
            acks=tuple(item for item in contents if isinstance(item, Ack)),
            problems=tuple(item for item in contents if isinstance(item, Problem)),
            users=frozenset(
                known.user for known in found.values() if isinstance(known.content, Ack)
            ),
        )

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        except OSError:
            return []
        return sorted(names)[:_MAX_ACKS]


def _load(path: Path) -> Ack | Problem:
    # O_NONBLOCK: the folder belongs to the agent, and the file may be a pipe, for example.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        ack = load_ack(file.read(MAX_ACK_BYTES + 1))
    if isinstance(ack, Rejection):
        return Problem(path.name, ack.reason, ack.message, field=ack.path)
    return replace(
        ack,
        reason=clean_text(ack.reason, 80),
        message=clean_text(ack.message),
        refusals=tuple(
            replace(
                refusal,
                subject=clean_text(refusal.subject, 400),
                reason=clean_text(refusal.reason, 80),
                message=clean_text(refusal.message, 400),
            )
            for refusal in ack.refusals
        ),
        failures=tuple(
            replace(
                failure,
                subject=clean_text(failure.subject, 400),
                reason=clean_text(failure.reason, 80),
                message=clean_text(failure.message, 400),
            )
            for failure in ack.failures
        ),
        config=_clean_config(ack.config) if ack.config is not None else None,
        runtime={clean_text(key, 80): clean_text(value, 80) for key, value in ack.runtime.items()},
    )


def _clean_config(config: ConfigAck) -> ConfigAck:
    return replace(
        config,
        digest=clean_text(config.digest, 80),
        hash=clean_text(config.hash, 80),
        seen=clean_text(config.seen, 80),
        reason=clean_text(config.reason, 80),
        message=clean_text(config.message),
        restart=tuple(clean_text(name, 80) for name in config.restart),
    )
