"""Reads parts of objects that anybody may have written."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def part(value: object, *keys: str) -> Json:
    """An object below others; {} where there is none, or something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: object, *keys: str) -> list[Any]:
    """A list below objects; [] where there is none, or something else."""
    found = part(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, list) else []


def text(value: object, *keys: str) -> str:
    """A text below objects; "" where there is none, or something else."""
    found = part(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, str) else ""


def number(value: object, *keys: str, default: int = 0) -> int:
    """An integer below objects; the default where there is none, or something else."""
    found = part(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def pointer(*keys: str) -> str:
    """The JSON pointer of a field."""
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)
