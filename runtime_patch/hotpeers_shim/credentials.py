"""Follows the credential file. The sidecar writes the credentials for requests to peers into it.

Each use costs one `stat`. A file that is missing, unreadable or invalid leaves the last good file
live. To revoke credentials, the sidecar writes a file without them.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from .contract import Rejection
from .contract.credentials import (
    CREDENTIAL_FILE,
    MAX_CREDENTIAL_BYTES,
    Credential,
    CredentialFile,
    load_credential_file,
)
from .contract.prefixes import longest

logger = logging.getLogger("hotpeers_shim")


class CredentialReader:
    """Reads one credential file, from any thread. No method raises."""

    def __init__(self, peer_file: Path) -> None:
        self._path = peer_file.parent / CREDENTIAL_FILE
        self._lock = threading.Lock()
        self._signature: tuple[int, ...] | None = None
        self._file = CredentialFile()
        self.locked = False
        """Whether the file exists, but this process has no permission to read it (yet)."""

    def find(self, url: str) -> Credential | None:
        """The entry with the longest prefix that covers `url`; None if no entry does."""
        return longest(self.current().credentials, url)

    def current(self) -> CredentialFile:
        """The newest good file; an empty one if none has been read yet."""
        try:
            signature = _signature(os.stat(self._path))  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return self._file
        if signature != self._signature:
            with self._lock:
                self._refresh(signature)
        return self._file

    def _refresh(self, seen: tuple[int, ...]) -> None:
        if seen == self._signature:
            return
        try:
            with self._path.open("rb") as stream:
                # Take it before the read, so that the next call notices a change during the read.
                signature = _signature(os.fstat(stream.fileno()))
                found = load_credential_file(stream.read(MAX_CREDENTIAL_BYTES + 1))
        except PermissionError:
            # The sidecar grants access after it has seen an ack. That changes the file's ctime, so
            # the next call tries again.
            self._signature, self.locked = seen, True
            return
        except OSError as error:
            self._note(seen, str(error.strerror))
            return
        self.locked = False
        if isinstance(found, Rejection):
            self._note(signature, str(found))
            return
        self._signature = signature
        self._file = found

    def _note(self, signature: tuple[int, ...], why: str) -> None:
        self._signature = signature
        logger.warning("%s is refused, what was read before stays: %s", self._path, why)


def _signature(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
