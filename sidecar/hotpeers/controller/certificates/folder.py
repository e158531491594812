"""Watches the folder of `--certificate-dir`, and serves the certificate in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ...base.errors import CertificateError
from ..reasons import ControllerReason

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0

Take = Callable[[bytes, bytes], None]
"""Serves with a certificate and its key. Raises `CertificateError` if they are unusable."""


async def follow_folder(folder: Path, take: Take) -> None:
    """Read `tls.crt` and `tls.key` every second until cancelled. The last good pair stays."""
    seen: object = None
    while True:
        # Read both files each time. The kubelet updates a Secret volume by changing a symlink in
        # the path.
        found = await asyncio.to_thread(_read, folder)
        if found != seen:
            seen = found
            _use(folder, found, take)
        await asyncio.sleep(_LOOK_SECONDS)


def _read(folder: Path) -> tuple[bytes, bytes] | str:
    try:
        return (folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes()
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


def _use(folder: Path, found: tuple[bytes, bytes] | str, take: Take) -> None:
    problem = found if isinstance(found, str) else ""
    if not isinstance(found, str):
        try:
            take(*found)
        except CertificateError as error:
            # If the files are written in place, they do not match between the two writes.
            problem = f"{folder}: {error}"
    if problem:
        logger.warning("%s", problem, extra={"reason": ControllerReason.CERTIFICATE_INVALID.value})
