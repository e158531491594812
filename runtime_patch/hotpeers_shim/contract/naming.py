"""The tool names of peers, and the fingerprint that an approval is bound to."""

from __future__ import annotations

import hashlib
import json
import re

from .limits import MAX_TOOL_NAME


def tool_name(namespace: str, name: str) -> str:
    """The tool name of a peer, as kagent makes it (kagent 0.10, `ConvertToPythonIdentifier`).

    It is `<namespace>__NS__<name>`, or only the name without a namespace. Every character outside
    `[A-Za-z0-9_]` becomes `_`, and a leading digit gets a `_` before it. A name that is too long
    for a model's API is cut, and ends in a digest of the whole name.

    A non-ASCII namespace or name without any ASCII letter, as in Chinese, becomes its digits or
    `peer`. A digest then makes the tool name unique. kagent has no such names.
    """
    joined = f"{namespace}__NS__{name}" if namespace else name
    shown = f"{_shown(namespace)}__NS__{_shown(name)}" if namespace else _shown(name)
    ident = re.sub(r"[^A-Za-z0-9_]", "_", shown)
    if not (says_in_ascii(namespace) and says_in_ascii(name)):
        ident = f"{ident}_{_mark(joined)}"
    if not ident or ident[0].isdigit():
        ident = f"_{ident}"
    if len(ident) > MAX_TOOL_NAME:
        ident = f"{ident[: MAX_TOOL_NAME - 9]}_{_mark(joined)}"
    return ident


def says_in_ascii(name: str) -> bool:
    """Whether a tool name can show this name: it is ASCII, or has at least one ASCII letter."""
    return name.isascii() or re.search(r"[A-Za-z]", name) is not None


def _shown(name: str) -> str:
    return name if says_in_ascii(name) else "_".join(re.findall(r"[0-9]+", name)) or "peer"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def fingerprint_of(*, namespace: str, name: str, uid: str, url: str, card_path: str = "") -> str:
    """The digest of a peer's identity and address. An approval of a call is bound to it."""
    identity = json.dumps([namespace, name, uid, url, card_path], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(identity.encode()).hexdigest()
