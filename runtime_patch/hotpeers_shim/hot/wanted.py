"""Reads the pod's annotation `hotpeers.dev/held-config`."""

from __future__ import annotations

import json
import re
from datetime import datetime

from .hashing import Wanted

MAX_BYTES = 256 * 1024
"""The largest annotation that is read. Kubernetes allows this much for all annotations together."""
_DECIMAL = re.compile(r"[0-9]{1,20}")


def parse_wanted(raw: bytes) -> Wanted | None:
    """The content of the annotation; None if it is missing or unreadable. Never raises."""
    if not raw.strip() or len(raw) > MAX_BYTES:
        return None
    try:
        data = json.loads(raw)
        wanted, secrets = data["hash"], bytes.fromhex(data.get("secrets") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(wanted, str) or not _DECIMAL.fullmatch(wanted):
        return None
    return Wanted(wanted, secrets, _time(data.get("since")))


def _time(text: object) -> float | None:
    """An RFC 3339 time as seconds since the epoch; None if it is not a valid time with a zone."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
