"""The value of a plain YAML scalar: text, a number, true, false or null.

This follows YAML 1.1 as PyYAML and kubectl read it, with the octal numbers of YAML 1.2 (`0o644`), as
kubectl does. It leaves out costly or surprising parts: base 60 numbers (`1:30`), dates, and
integers of more than 64 bits.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_LONGEST = 100
_LARGEST = 2**64
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_STARTS = frozenset("0123456789+-.")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<two>[01_]+)|0x(?P<sixteen>[0-9a-fA-F_]+)"
    r"|0o?(?P<eight>[0-7_]+)|(?P<ten>0|[1-9][0-9_]*))"
)
_BASES = {"two": 2, "eight": 8, "ten": 10, "sixteen": 16}
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def plain_value(text: str) -> Scalar:
    """The value of a scalar without quotes and tag. Raises ValueError for a number too large."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _STARTS:
        return text
    if len(text) > _LONGEST:
        if text.isascii() and text.isdigit():
            raise ValueError(f"a number of {len(text)} digits; put quotes around it if it is text")
        return text
    if (found := _INTEGER.fullmatch(text)) is not None:
        return _integer(text, found)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _integer(text: str, found: re.Match[str]) -> Scalar:
    (base,) = (name for name in _BASES if found[name] is not None)
    digits = found[base].replace("_", "")
    if not digits:
        # `0_` is a number in YAML 1.1, but `0x_` is not.
        return 0 if base == "eight" and "o" not in text else text
    value = int(digits, _BASES[base])
    if value >= _LARGEST:
        # Refuse large numbers: keys could be chosen that all have the same hash, which
        # makes a mapping very slow.
        raise ValueError("a number of more than 64 bits; put quotes around it if it is text")
    return -value if found["sign"] == "-" else value
