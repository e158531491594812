"""Text of several lines from a source that is not trusted."""

from __future__ import annotations

import unicodedata

_BLANKED = {"Cc", "Cf", "Cs", "Co"}
_KEPT = "\n\t"


def clean_block(text: str, limit: int) -> str:
    """Take control, format and invisible characters out of a text, and cut it; its lines stay."""
    lines = text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n")
    lines = lines.replace("\u2028", "\n").replace("\u2029", "\n")
    kept = "".join(c for c in lines if c in _KEPT or unicodedata.category(c) not in _BLANKED)
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"
