"""Cleans text of several lines from an untrusted source."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"


def clean_block(text: str, limit: int) -> str:
    """Remove control, format and invisible characters from a text and truncate it. Line feeds stay."""
    lines = text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n")
    lines = lines.replace("\u2028", "\n").replace("\u2029", "\n")
    # Replace other kinds of spaces: they look like a space, and the guard denies them.
    plain = (" " if unicodedata.category(c) == "Zs" else c for c in lines)
    kept = "".join(c for c in plain if c in _KEPT or c.isprintable())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"
