"""Follows the folder of `--certificate-dir`: what it holds is what is served."""

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
"""Serves with a certificate and its key; `CertificateError` where they are of no use."""


async def follow_folder(folder: Path, take: Take) -> None:
    """Look at `tls.crt` and `tls.key` every second, for ever; the last good pair stays."""
    seen: object = None
    while True:
        # A link in the path may be put to another folder: a Secret is renewed so.
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
            # Between two writes of a folder that is written in place they do not match.
            problem = f"{folder}: {error}"
    if problem:
        logger.warning("%s", problem, extra={"reason": ControllerReason.CERTIFICATE_INVALID.value})
