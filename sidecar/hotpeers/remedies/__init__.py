"""What to do about each reason, as text for people. Only these texts and their reader may live here.

A file has a heading for each reason word; below it is Markdown. Links begin with `docs/`, the folder of
the documentation. This package imports no other package of hotpeers, so all of them may use it.
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
