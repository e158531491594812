"""Text of several lines from a source that is not trusted."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"


def clean_block(text: str, limit: int) -> str:
    """Take control, format and invisible characters out of a text, and cut it; its lines stay."""
    lines = text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n")
    lines = lines.replace("\u2028", "\n").replace("\u2029", "\n")
    # Spaces of other kinds look like one, and the guard takes none of them.
    plain = (" " if unicodedata.category(c) == "Zs" else c for c in lines)
    kept = "".join(c for c in plain if c in _KEPT or c.isprintable())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"
