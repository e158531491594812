"""How peers are named to a model, and what an approval is bound to."""

from __future__ import annotations

import hashlib
import json
import re

from .limits import MAX_TOOL_NAME


def tool_name(namespace: str, name: str) -> str:
    """Name the tool of a peer as kagent names it (kagent 0.10, `ConvertToPythonIdentifier`).

    `<namespace>__NS__<name>` with every character outside `[A-Za-z0-9_]` turned into `_`; just the
    name where there is no namespace. A leading digit gets a `_` before it. A name too long for a
    model's API is cut and ends in a digest of the whole.
    """
    joined = f"{namespace}__NS__{name}" if namespace else name
    ident = re.sub(r"[^A-Za-z0-9_]", "_", joined)
    if not ident or ident[0].isdigit():
        ident = f"_{ident}"
    if len(ident) > MAX_TOOL_NAME:
        mark = hashlib.sha256(joined.encode()).hexdigest()[:8]
        ident = f"{ident[: MAX_TOOL_NAME - 9]}_{mark}"
    return ident


def fingerprint_of(*, namespace: str, name: str, uid: str, url: str, card_path: str = "") -> str:
    """Digest of what an approval of a call is bound to: who the peer is and where it lives."""
    identity = json.dumps([namespace, name, uid, url, card_path], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(identity.encode()).hexdigest()
