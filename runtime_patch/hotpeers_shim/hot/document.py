"""Parses config.json within bounds."""

from __future__ import annotations

import json
from typing import Any

from ..contract import Nack, Rejection
from ..contract.counting import JsonCounter
from ..contract.fields import ShapeError, get_object

MAX_BYTES = 2 * 1024 * 1024
"""Largest file of a configuration that is read. A Secret of Kubernetes holds 1 MiB in all."""
MAX_VALUES = 200_000
"""Most JSON values in config.json: each costs memory, whatever its size."""


def parse_document(raw: bytes) -> dict[str, Any] | Rejection:
    """The object in config.json, or why there is none. Never raises.

    It accepts what `json.load` accepts, which is how kagent-adk reads the file (`cli.py`, 0.7 to 0.10).
    """
    try:
        return _parse(raw)
    except ShapeError as error:
        return error.rejection


def _parse(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise ShapeError(Nack.FILE_TOO_LARGE, "", f"the limit is {MAX_BYTES} bytes")
    if not raw.strip(b" \t\r\n\x00"):
        raise ShapeError(Nack.FILE_EMPTY, "", f"{len(raw)} bytes, none of them content")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ShapeError(Nack.NOT_UTF8, "", f"byte {error.start} is not UTF-8") from error
    counter = JsonCounter()
    counter.add(raw)
    if counter.values > MAX_VALUES:
        raise ShapeError(Nack.FILE_TOO_LARGE, "", f"the limit is {MAX_VALUES} JSON values")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ShapeError(Nack.NOT_JSON, "", f"{error.msg} at {where}") from error
    # ValueError: an integer of thousands of digits; RecursionError: brackets thousands deep.
    except (ValueError, RecursionError) as error:
        raise ShapeError(Nack.NOT_JSON, "", f"not readable as JSON: {error}") from error
    return get_object(data, "")
