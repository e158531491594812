"""JSON as Go's `encoding/json` writes it: kagent hashes these bytes.

Fields keep the order in which a struct has them: the caller gives them so. Numbers are written as Go
does between 1e-4 and 1e16.
"""

from __future__ import annotations

import json
from typing import Any

_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def encode(value: Any) -> str:
    """The same bytes as `json.Marshal`."""
    return _escape(json.dumps(_numbers(value), ensure_ascii=False, separators=(",", ":")))


def encode_indented(value: Any) -> str:
    """The same bytes as `json.MarshalIndent` with two spaces."""
    return _escape(json.dumps(_numbers(value), ensure_ascii=False, indent=2))


def filled(**values: Any) -> dict[str, Any]:
    """The fields of a struct with `omitempty`: empty values are left out."""
    return {name: value for name, value in values.items() if value}


def given(**values: Any) -> dict[str, Any]:
    """The same for pointers: only unset values are omitted, a zero stays."""
    return {name: value for name, value in values.items() if value is not None}


def _numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    return value


def _escape(text: str) -> str:
    """Escape what Go escapes for HTML: such characters occur within strings only."""
    return text.translate(_ESCAPED)
