"""A directory of manifests as a source: `*.yaml`, `*.yml` and `*.json`, each file on its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

from hotpeers_shim.contract import Nack, clean_text

from ...base.problems import Problem
from ...base.reasons import Reason
from ...base.scope import ScopeStatus
from ...model.manifest import read_manifests
from ...model.snapshot import Candidate, Snapshot
from ...model.yaml.document import MAX_MANIFEST_BYTES
from ...model.yaml.file import check_regular, read_file, stat_file
from ..reasons import SidecarReason
from .watch import FolderWatch
from .worker import in_background

_SUFFIXES = (".yaml", ".yml", ".json")
_RESCAN_SECONDS = 5.0
_MISSING_SECONDS = 0.5
# A file that is written in place may be incomplete, and may change again without a new mtime. So a
# file is read again until its mtime is this old.
_UNSETTLED_NS = 150_000_000
_UNSETTLED_SECONDS = 0.2
# Some editors remove a file before they create it again with its new text.
_GONE_SECONDS = 0.01

Signature = tuple[int, ...]


@dataclass(slots=True)
class _File:
    """The state of one file.

    `signature` identifies the version that was read; None while the file may still be written to.
    `digest` is the digest of the content that was parsed last, and `problems` are its problems.
    `good` holds the candidates of the last content without problems. `unreadable` says why the file
    cannot be read now. `missing` is True after the first scan that did not find the file; if the
    next scan does not find it either, it is dropped.
    """

    signature: Signature | None = None
    digest: bytes = b""
    good: tuple[Candidate, ...] = ()
    read_once: bool = False
    problems: tuple[Problem, ...] = ()
    unreadable: Problem | None = None
    missing: bool = False

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """The current problems with this file."""
        return (*self.problems, self.unreadable) if self.unreadable else self.problems


def manifest_names(folder: str | Path) -> list[str]:
    """The sorted names of the manifest files in a directory. Raises OSError if it is unreadable."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(_SUFFIXES) and not entry.name.startswith(".")
        )


class DirectorySource:
    """Reads a directory and follows its changes; see `Source`.

    The last good candidates are kept while their file is malformed or unreadable, and also while the
    whole directory is missing. They are dropped when their file is removed.
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
                scan = partial(self._scan, seen, armed)
                snapshot = await in_background(scan, "scan")
                if any(file.missing for file in self._files.values()):
                    await asyncio.sleep(_GONE_SECONDS)
                    snapshot = await in_background(scan, "scan")
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

    def _scan(self, seen: float, armed: bool) -> Snapshot:
        try:
            names = set(manifest_names(self._folder))
        except FileNotFoundError:
            return self._without_folder(
                SidecarReason.SOURCE_MISSING, "the directory does not exist", seen
            )
        except OSError as error:
            text = error.strerror or str(error)
            return self._without_folder(SidecarReason.SOURCE_UNREADABLE, text, seen)
        self._scanned = True
        self._unsettled = False
        self._files = self._look_at(names)
        problems = [problem for file in self._files.values() for problem in file.all_problems]
        if not armed:
            problems.append(
                Problem(str(self._folder), SidecarReason.WATCH_UNAVAILABLE, "no watch could be set")
            )
        return self._snapshot(problems, seen)

    def _look_at(self, names: set[str]) -> dict[str, _File]:
        """The state of each file in `names`, and of each file that has just disappeared."""
        found: dict[str, _File] = {}
        for name in sorted({*names, *self._files}):
            file = self._files.get(name) or _File()
            if name in names and self._refresh(name, file):
                file.missing = False
                found[name] = file
            elif name in self._files and not file.missing:
                file.missing = self._unsettled = True
                found[name] = file
        return found

    def _without_folder(self, reason: Reason, message: str, seen: float) -> Snapshot:
        problems = [problem for file in self._files.values() for problem in file.all_problems]
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
        """Read a file again if it may have changed. Returns False if it does not exist."""
        try:
            status = stat_file(f"{self._folder}/{name}")
            check_regular(status)
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
            file.unreadable = Problem(clean_text(name), Nack.FILE_UNREADABLE, message)
        else:
            file.unreadable = None
        return True

    def _read(self, name: str, file: _File, signature: Signature) -> None:
        fresh = abs(time.time_ns() - signature[3]) < _UNSETTLED_NS
        raw = read_file(f"{self._folder}/{name}", MAX_MANIFEST_BYTES)
        digest = blake2b(raw, digest_size=16).digest()
        self._unsettled = self._unsettled or fresh
        file.signature = None if fresh else signature
        if digest == file.digest:
            return
        result = read_manifests(raw, clean_text(name))
        if result.problems and fresh:
            # The file may be half written: the next scan decides.
            return
        file.digest = digest
        file.problems = result.problems or result.warnings
        if not result.problems:
            file.good = result.candidates
            file.read_once = True


def _content(snapshot: Snapshot) -> tuple[object, ...]:
    return (snapshot.candidates, snapshot.problems, snapshot.complete, snapshot.unread)
