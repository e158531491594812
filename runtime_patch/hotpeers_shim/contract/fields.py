"""Checked access to the fields of a decoded JSON object.

Each function checks the type and returns the value, or raises `ShapeError` with the path of the
field. `codec` turns the exception into the `Rejection` in it.
"""

from __future__ import annotations

from typing import Any

from .limits import MAX_TIMEOUT
from .reasons import Nack
from .values import Rejection


class ShapeError(Exception):
    """One field does not follow the contract."""

    def __init__(self, reason: Nack, path: str, message: str) -> None:
        super().__init__(message)
        self.rejection = Rejection(reason, path, message)


def wrong(path: str, message: str) -> ShapeError:
    """The error of a field that is missing, of the wrong type or out of bounds."""
    return ShapeError(Nack.WRONG_SHAPE, path, message)


def at(path: str, key: str) -> str:
    """The path of a field below `path`."""
    return f"{path}.{key}" if path else key


def get_object(value: Any, path: str) -> dict[str, Any]:
    """`value`, checked to be a JSON object."""
    if not isinstance(value, dict):
        raise wrong(path, f"an object is needed, not {kind_of(value)}")
    return value


def get_list(data: dict[str, Any], path: str, key: str, *, required: bool = False) -> list[Any]:
    """The list under `key`; empty if it is missing and not required."""
    if key not in data and not required:
        return []
    value = data.get(key)
    if not isinstance(value, list):
        raise wrong(at(path, key), f"a list is needed, not {kind_of(value)}")
    return value


def get_text(  # noqa: PLR0913 - one call describes one field
    data: dict[str, Any],
    path: str,
    key: str,
    limit: int,
    *,
    required: bool = False,
    default: str = "",
) -> str:
    """The string under `key`, with at most `limit` characters; `default` if missing or empty."""
    if key not in data and not required:
        return default
    text = check_text(data.get(key), path, key, limit)
    if required and not text:
        raise wrong(at(path, key), "must not be empty")
    return text or default


def check_text(value: Any, path: str, key: str, limit: int) -> str:
    """`value`, checked to be an encodable string of at most `limit` characters."""
    if not isinstance(value, str):
        raise wrong(at(path, key), f"a string is needed, not {kind_of(value)}")
    if len(value) > limit:
        raise wrong(at(path, key), f"{len(value)} characters; the limit is {limit}")
    # A lone surrogate is valid JSON but not valid text. Every request to the model would fail.
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise wrong(at(path, key), "holds half of a surrogate pair")
    return value


def get_integer(data: dict[str, Any], path: str, key: str, default: int | None = None) -> int:
    """The integer of at least 0 under `key`. It is required if `default` is None."""
    value = data.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise wrong(at(path, key), f"a whole number from 0 is needed, not {_shown(value)}")
    return value


def get_boolean(data: dict[str, Any], path: str, key: str, *, default: bool) -> bool:
    """The boolean under `key`."""
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise wrong(at(path, key), f"true or false is needed, not {kind_of(value)}")
    return value


def get_timeout(data: dict[str, Any], path: str, key: str) -> float | None:
    """The timeout under `key`, in seconds above 0; None if it is missing or null."""
    value = data.get(key)
    if value is None:
        return None
    if not _is_number(value) or not 0 < value <= MAX_TIMEOUT:
        limit = int(MAX_TIMEOUT)
        raise wrong(at(path, key), f"seconds from 0 to {limit} are needed, not {_shown(value)}")
    return float(value)


def get_time(data: dict[str, Any], path: str, key: str) -> float:
    """The time under `key`, in seconds since the epoch; 0 if it is missing."""
    value = data.get(key, 0.0)
    if not _is_number(value) or not 0 <= value < 1e12:
        raise wrong(at(path, key), f"seconds since the epoch are needed, not {_shown(value)}")
    return float(value)


def kind_of(value: Any) -> str:
    """The JSON type of a value, for error messages."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A short form of a value, for error messages."""
    # Python refuses to print an integer with thousands of digits.
    if isinstance(value, dict | list) or (isinstance(value, int) and abs(value) >= 10**18):
        return kind_of(value)
    return repr(value)[:40]
