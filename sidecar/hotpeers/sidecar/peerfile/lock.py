"""Keeps two sidecars from writing the same peer file, where each would overwrite the other's."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...base.errors import PeerFileTakenError

logger = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a peer file. Raises `PeerFileTakenError` if another process holds it.

    The kernel releases the lock when the process ends, even if it is killed. On a file system
    without locks the sidecar works without one.
    """
    beside = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        # A problem with the folder is reported when the peer file is written.
        logger.debug("no lock at %s: %s", beside, error)
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PeerFileTakenError(
                f"{path}: another hotpeers writes it; end that one, or choose another --peer-file "
                "(HOTPEERS_PEER_FILE)"
            ) from error
        except OSError as error:
            logger.debug("no lock at %s: %s", beside, error)
        yield
    finally:
        os.close(descriptor)
