"""A directory of manifests as a source: `*.yaml`, `*.yml` and `*.json`, each file for itself."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from hotpeers_shim.contract import Nack, clean_text

from ..model.document import MAX_MANIFEST_BYTES
from ..model.manifest import read_manifests
from ..model.scope import ScopeStatus
from ..model.snapshot import Candidate, Problem, Snapshot
from ..reasons import Reason
from .watch import FolderWatch

_SUFFIXES = (".yaml", ".yml", ".json")
_RESCAN_SECONDS = 5.0
_MISSING_SECONDS = 0.5
# A file written in place may be half there, and may change again within one tick of its mtime.
_UNSETTLED_NS = 150_000_000
_UNSETTLED_SECONDS = 0.2
# Some editors take a file away before they put its new text in its place.
_GONE_SECONDS = 0.01

Signature = tuple[int, ...]


@dataclass(slots=True)
class _File:
    """What is known of one file. `signature` is None while the file may still be written to."""

    signature: Signature | None = None
    raw: bytes = b""
    good: tuple[Candidate, ...] = ()
    read_once: bool = False
    problems: tuple[Problem, ...] = ()


class DirectorySource:
    """Reads a directory and follows its changes; see `Source`.

    A file that is malformed keeps what it last held, a file that is gone loses it, and a directory
    that is gone keeps everything.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._scanned = False
        self._unsettled = False

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """See `Source.snapshots`."""
        watch = FolderWatch(self._folder)
        last: Snapshot | None = None
        try:
            while True:
                seen = time.monotonic()
                armed = watch.arm()
                snapshot = await asyncio.to_thread(self._scan, seen, armed)
                if last is not None and self._lost_a_file(last, snapshot):
                    await asyncio.sleep(_GONE_SECONDS)
                    snapshot = await asyncio.to_thread(self._scan, seen, armed)
                if last is None or _content(snapshot) != _content(last):
                    last = snapshot
                    yield snapshot
                await watch.wait(self._patience(armed))
        finally:
            watch.close()

    def scopes(self) -> tuple[ScopeStatus, ...]:
        """See `Source.scopes`."""
        return ()

    def _patience(self, armed: bool) -> float:
        if self._unsettled:
            return _UNSETTLED_SECONDS
        return _RESCAN_SECONDS if armed else _MISSING_SECONDS

    def _lost_a_file(self, last: Snapshot, now: Snapshot) -> bool:
        return len(now.candidates) < len(last.candidates) and now.complete

    def _scan(self, seen: float, armed: bool) -> Snapshot:
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(
                    entry.name
                    for entry in entries
                    if entry.name.endswith(_SUFFIXES) and not entry.name.startswith(".")
                )
        except FileNotFoundError:
            return self._without_folder(Reason.SOURCE_MISSING, "the directory does not exist", seen)
        except OSError as error:
            text = error.strerror or str(error)
            return self._without_folder(Reason.SOURCE_UNREADABLE, text, seen)
        self._scanned = True
        self._unsettled = False
        found: dict[str, _File] = {}
        for name in names:
            file = self._files.get(name) or _File()
            if self._refresh(name, file):
                found[name] = file
        self._files = found
        problems = [problem for file in found.values() for problem in file.problems]
        if not armed:
            problems.append(
                Problem(str(self._folder), Reason.WATCH_UNAVAILABLE, "no watch could be set")
            )
        return self._snapshot(problems, seen)

    def _without_folder(self, reason: Reason, message: str, seen: float) -> Snapshot:
        problems = [problem for file in self._files.values() for problem in file.problems]
        problems.append(Problem(clean_text(str(self._folder)), reason, message))
        return self._snapshot(problems, seen)

    def _snapshot(self, problems: list[Problem], seen: float) -> Snapshot:
        return Snapshot(
            candidates=tuple(candidate for file in self._files.values() for candidate in file.good),
            problems=tuple(problems),
            complete=self._scanned,
            unread=tuple(
                f"{clean_text(name)}#" for name, file in self._files.items() if not file.read_once
            ),
            seen=seen,
        )

    def _refresh(self, name: str, file: _File) -> bool:
        """Read a file again if it may have changed since; False where it is none, or gone."""
        try:
            status = os.stat(f"{self._folder}/{name}")  # noqa: PTH116 - Path costs more than stat
            if not stat.S_ISREG(status.st_mode):
                return False
            signature = (
                status.st_ino,
                status.st_dev,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
            if signature != file.signature:
                self._read(name, file, signature)
        except FileNotFoundError:
            return False
        except OSError as error:
            file.signature = None
            message = error.strerror or type(error).__name__
            file.problems = (Problem(clean_text(name), Nack.FILE_UNREADABLE, message),)
        return True

    def _read(self, name: str, file: _File, signature: Signature) -> None:
        fresh = abs(time.time_ns() - signature[3]) < _UNSETTLED_NS
        raw = _read(self._folder / name)
        self._unsettled = self._unsettled or fresh
        file.signature = None if fresh else signature
        if raw == file.raw and (file.read_once or file.problems):
            return
        result = read_manifests(raw, clean_text(name))
        if result.problems and fresh:
            # Somebody may be in the middle of writing it: the next look will tell.
            return
        file.raw = raw
        file.problems = result.problems
        if not result.problems:
            file.good = result.candidates
            file.read_once = True


def _read(path: Path) -> bytes:
    # Without blocking: somebody may have put a named pipe there since it was looked at.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        return file.read(MAX_MANIFEST_BYTES + 1)


def _content(snapshot: Snapshot) -> tuple[object, ...]:
    return (snapshot.candidates, snapshot.problems, snapshot.complete, snapshot.unread)
