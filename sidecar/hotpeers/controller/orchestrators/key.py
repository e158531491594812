"""The hub's key in its Secret. The controller makes it if the Secret is empty."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from typing import Any

from ...base.parts import text
from ...base.view import MalformedError
from ...kube.informer.kind import Kind, Version
from ...model.hub_token import KEY_BYTES, read_key
from ..reasons import ControllerReason

_ENTRY = "key"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The Secret at one resourceVersion. `key` is None if the Secret has no key yet."""

    version: str
    key: bytes | None


def read_stored_key(data: Any) -> StoredKey:
    """Read the Secret. Raises `MalformedError` if its entry is not a key."""
    version = text(data, "metadata", "resourceVersion")
    raw = text(data, "data", _ENTRY)
    if not raw:
        return StoredKey(version, None)
    try:
        key = read_key(base64.b64decode(raw, validate=True))
    except (ValueError, binascii.Error):
        key = None
    if key is None:
        message = "is not 64 hexadecimal digits; remove it, and the controller makes a new key"
        raise MalformedError((ControllerReason.HUB_KEY_BAD, f"data.{_ENTRY}", message))
    return StoredKey(version, key)


def new_key_patch(stored: StoredKey) -> dict[str, Any]:
    """A merge patch that writes a new key into the Secret, if it still has this version."""
    text = os.urandom(KEY_BYTES).hex()
    return {
        "metadata": {"resourceVersion": stored.version},
        "data": {_ENTRY: base64.b64encode(text.encode()).decode()},
    }


SECRET = Kind[StoredKey]("Secret", "", "secrets", (Version("v1", read_stored_key),))
