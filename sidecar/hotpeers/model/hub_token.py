"""The token by which the hub knows an orchestrator.

A token is derived from a key, the UID of the Orchestrator and `spec.tokenVersion`. So the hub stores
no tokens and needs no right to read Secrets. A token ends when its Orchestrator is deleted, when
`tokenVersion` changes, or when the key is replaced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from contextlib import suppress

KEY_BYTES = 32
"""The length of the hub's key."""
MAX_TOKEN = 256
"""The longest token that is parsed, in characters."""
_PREFIX = "hp1"


def derived_key(key: bytes, purpose: str) -> bytes:
    """A key for one purpose, 32 bytes, derived from the hub's key."""
    return hmac.digest(key, f"hotpeers {purpose}".encode(), hashlib.sha256)


def read_key(text: bytes | str) -> bytes | None:
    """The key in a Secret: 64 hexadecimal digits; None if it is another text."""
    with suppress(ValueError):
        raw = text.decode("ascii") if isinstance(text, bytes) else text
        found = bytes.fromhex(raw.strip())
        if len(found) == KEY_BYTES:
            return found
    return None


def make_token(key: bytes, uid: str, version: int) -> str:
    """The token of the Orchestrator with this UID."""
    secret = derived_key(key, "orchestrator token")
    mac = hmac.digest(secret, f"{uid}\0{version}".encode(), hashlib.sha256)
    text = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    return f"{_PREFIX}.{uid}.{version}.{text}"


def uid_of(token: str) -> str:
    """The UID that a token claims, which is not verified; "" if the text is not a token."""
    parts = token.split(".") if len(token) <= MAX_TOKEN else []
    return parts[1] if len(parts) == 4 and parts[0] == _PREFIX else ""


def is_token(token: str, keys: Iterable[bytes], uid: str, version: int) -> bool:
    """Whether the token was made with one of `keys` for this UID and version."""
    given = token.encode("utf-8", "replace")
    # `any` would stop at the first match; the number of keys is not secret.
    return any(hmac.compare_digest(given, make_token(key, uid, version).encode()) for key in keys)
