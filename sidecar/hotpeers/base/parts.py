"""Reads parts of untrusted JSON objects."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def part(value: object, *keys: str) -> Json:
    """The object at the path `keys`; {} if it is missing or not an object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: object, *keys: str) -> list[Any]:
    """The list at the path `keys`; [] if it is missing or not a list."""
    found = part(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, list) else []


def text(value: object, *keys: str) -> str:
    """The text at the path `keys`; "" if it is missing or not a text."""
    found = part(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, str) else ""


def number(value: object, *keys: str, default: int = 0) -> int:
    """The integer at the path `keys`; `default` if it is missing or not an integer."""
    found = part(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def pointer(*keys: str) -> str:
    """The JSON pointer (RFC 6901) for the path `keys`."""
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)
