"""Size limits of an object, checked before any rule walks over it."""

from __future__ import annotations

from typing import Any

MAX_NODES = 5_000
MAX_CHARACTERS = 262_144
MAX_DEPTH = 32


def too_large(manifest: Any) -> str:
    """The size limit that an object exceeds, as text, or "". Ends even for an object with a cycle."""
    nodes = characters = 0
    left: list[tuple[Any, int]] = [(manifest, 1)]
    while left:
        value, depth = left.pop()
        nodes += 1
        if depth > MAX_DEPTH:
            return f"it nests deeper than {MAX_DEPTH}"
        if isinstance(value, str | bytes):
            characters += len(value)
        elif isinstance(value, dict):
            characters += sum(len(key) for key in value if isinstance(key, str))
            left.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple | set):
            left.extend((item, depth + 1) for item in value)
        if nodes + len(left) > MAX_NODES:
            return f"it has more than {MAX_NODES} values"
        if characters > MAX_CHARACTERS:
            return f"it has more than {MAX_CHARACTERS} characters"
    return ""
