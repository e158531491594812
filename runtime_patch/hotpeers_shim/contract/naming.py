"""How peers are named and described to a model, and what an approval is bound to."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata

from .limits import MAX_DESCRIPTION, MAX_TOOL_NAME

_BLANKED = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


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


def clean_text(text: str, limit: int = MAX_DESCRIPTION) -> str:
    """Make text of an untrusted source fit for a model: printable, one line, at most `limit` long.

    Control, format (also bidirectional and zero-width), private-use and surrogate characters become
    spaces, runs of white space become one space; what is cut ends in an ellipsis.
    """
    # Cut first: a hostile text of many megabytes must not cost a scan of all of it.
    blanked = "".join(" " if unicodedata.category(c) in _BLANKED else c for c in text[: limit * 4])
    line = " ".join(blanked.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def fingerprint_of(*, namespace: str, name: str, uid: str, url: str, card_path: str = "") -> str:
    """Digest of what an approval of a call is bound to: who the peer is and where it lives."""
    identity = json.dumps([namespace, name, uid, url, card_path], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(identity.encode()).hexdigest()
