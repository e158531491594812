"""Writes the credential file, readable only for the sidecar and the agent's users."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from hotpeers_shim.contract import Rejection
from hotpeers_shim.contract.credentials import (
    CREDENTIAL_FILE,
    MAX_CREDENTIAL_BYTES,
    Credential,
    dump_credential_file,
    load_credential_file,
)

from ...base.problems import Problem
from ..reasons import SidecarReason
from .acl import let_read

_MAX_USERS = 16


class Delivery:
    """The credential file beside a peer file.

    `problem` says why agents cannot read it; None if they can.
    """

    def __init__(self, peer_file: Path) -> None:
        self._path = peer_file.parent / CREDENTIAL_FILE
        self._written: tuple[bytes, frozenset[int]] | None = None
        self._stamp: tuple[int, ...] | None = None
        self.problem: Problem | None = None

    @property
    def exists(self) -> bool:
        """Whether the file exists, from this run or a previous one."""
        return self._path.exists()

    def remove_leftovers(self) -> None:
        """Remove temporary files that a sidecar left because it was killed during a write."""
        for entry in self._path.parent.glob(f".{self._path.name}.*.tmp"):
            with contextlib.suppress(OSError):
                entry.unlink()

    def read(self) -> tuple[Credential, ...]:
        """The credentials in the file, from this run or a previous one; () if it is unreadable."""
        try:
            with self._path.open("rb") as file:
                found = load_credential_file(file.read(MAX_CREDENTIAL_BYTES + 1))
        except OSError:
            return ()
        return () if isinstance(found, Rejection) else found.credentials

    @property
    def intact(self) -> bool:
        """Whether the file is unchanged since the last write."""
        return self._written is not None and self._stamp == _stamp(self._path)

    def bring(self, credentials: Iterable[Credential], users: frozenset[int]) -> None:
        """Write the credentials for agents with these user IDs. `problem` reports a failure.

        A failed write is retried by the next call. The file belongs to the sidecar's user, with mode
        0600. Each other user gets an entry in its access control list. If that is unsupported and no
        agent runs as the sidecar's user, a file without credentials is written.
        """
        others = frozenset(sorted(users - {os.geteuid()})[:_MAX_USERS])
        raw = dump_credential_file(credentials)
        if self._written == (raw, users) and self.intact:
            return
        self._written = None
        self.problem = None
        if len(raw) > MAX_CREDENTIAL_BYTES:
            message = f"{len(raw)} bytes; the limit is {MAX_CREDENTIAL_BYTES}"
            self._fail(message)
            return
        try:
            self._replace(raw, others)
        except _NoListsError as error:
            names = ", ".join(map(str, sorted(others)))
            self._fail(f"the file system has no access control lists, for user {names}: {error}")
            mine = os.geteuid() in users
            with contextlib.suppress(OSError):
                self._replace(raw if mine else dump_credential_file(()), frozenset())
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._written = (raw, users)
        self._stamp = _stamp(self._path)

    def _fail(self, message: str) -> None:
        self.problem = Problem(str(self._path), SidecarReason.CREDENTIALS_NOT_DELIVERED, message)

    def _replace(self, raw: bytes, others: frozenset[int]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if others:
                    # Set the list on the empty file: a file without it must not hold secrets.
                    try:
                        let_read(file.fileno(), others)
                    except OSError as error:
                        raise _NoListsError(error.strerror or str(error)) from error
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


class _NoListsError(Exception):
    """The file system cannot let another user read the file."""


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns, found.st_mode)
