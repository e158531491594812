"""What to do about each reason, in words for people. Only texts live here, and what reads them.

A file has a heading for each of its words; below it is Markdown. Its links begin with `docs/`, the
folder of the documentation. This package knows no program: any of them may use it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HEADING = re.compile(r"^## (\w+)\n", re.MULTILINE)


@cache
def remedies() -> dict[str, str]:
    """What to do about each word, as Markdown, by the word."""
    found: dict[str, str] = {}
    for file in files(__name__).iterdir():
        if file.name.endswith(".md"):
            _, *parts = _HEADING.split(file.read_text("utf-8"))
            texts = (text.strip() for text in parts[1::2])
            found.update(zip(parts[::2], texts, strict=True))
    return found
