"""Encodes and decodes the JSON of the contract's files, with limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from .counting import JsonCounter
from .fields import ShapeError, get_object, get_text
from .limits import API_VERSION, MAX_NAME
from .reasons import Nack
from .values import Rejection

T = TypeVar("T")


def decode(raw: bytes, limit: int, build: Callable[[dict[str, Any]], T]) -> T | Rejection:
    """The result of `build` for the JSON object in `raw`, or a `Rejection`. Never raises.

    `limit` is in bytes. `build` may raise `ShapeError`, which becomes the `Rejection`.
    """
    try:
        return build(_document(raw, limit))
    except ShapeError as error:
        return error.rejection


def _document(raw: bytes, limit: int) -> dict[str, Any]:
    data = parse_object(raw, limit, parse_constant=_no_constant)
    version = get_text(data, "", "apiVersion", MAX_NAME, default=API_VERSION)
    if version != API_VERSION:
        raise ShapeError(
            Nack.UNSUPPORTED_VERSION, "apiVersion", f"{version!r} is not {API_VERSION!r}"
        )
    return data


def parse_object(
    raw: bytes,
    limit: int,
    *,
    most_values: int | None = None,
    parse_constant: Callable[[str], Any] | None = None,
) -> dict[str, Any]:
    """The JSON object in `raw`, with at most `limit` bytes and `most_values` values.

    `parse_constant` is the parameter of `json.loads`: without it, NaN and Infinity are valid
    numbers. Raises `ShapeError`.
    """
    if len(raw) > limit:
        raise ShapeError(Nack.FILE_TOO_LARGE, "", f"{len(raw)} bytes; the limit is {limit}")
    if not raw.strip(b" \t\r\n\x00"):
        raise ShapeError(Nack.FILE_EMPTY, "", f"{len(raw)} bytes, none of them content")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ShapeError(Nack.NOT_UTF8, "", f"byte {error.start} is not UTF-8") from error
    if most_values is not None:
        counter = JsonCounter()
        counter.add(raw)
        if counter.values > most_values:
            raise ShapeError(Nack.FILE_TOO_LARGE, "", f"the limit is {most_values} JSON values")
    try:
        data = json.loads(text, parse_constant=parse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ShapeError(Nack.NOT_JSON, "", f"{error.msg} at {where}") from error
    # ValueError: an integer with thousands of digits. RecursionError: thousands of nested brackets.
    except (ValueError, RecursionError) as error:
        raise ShapeError(Nack.NOT_JSON, "", f"not readable as JSON: {error}") from error
    return get_object(data, "")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def encode(value: Any) -> bytes:
    """The shortest JSON form of a value, in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")
