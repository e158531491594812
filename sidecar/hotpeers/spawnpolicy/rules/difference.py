"""Comparison of two parts of a manifest."""

from __future__ import annotations

from typing import Any


def difference(mine: Any, theirs: Any, path: str) -> str:
    """The path of the first difference, or "" if the values are equal. 1 and true are different."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in [*mine, *(key for key in theirs if key not in mine)]:
            if key not in mine or key not in theirs:
                return f"{path}.{key}"
            if where := difference(mine[key], theirs[key], f"{path}.{key}"):
                return where
        return ""
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            if where := difference(one, other, f"{path}[{number}]"):
                return where
        return ""
    return "" if type(mine) is type(theirs) and mine == theirs else path
