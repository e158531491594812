"""Durations as people write them: `30`, `1.5`, `"30s"`, `"5m"`, `"1h30m"`."""

from __future__ import annotations

import re

from hotpeers_shim.contract import MAX_TIMEOUT

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> float:
    """The seconds of a duration, above 0 and up to `MAX_TIMEOUT`. Raises ValueError otherwise."""
    seconds = _seconds(value)
    if seconds is None or not 0 < seconds <= MAX_TIMEOUT:
        raise ValueError(
            f'{str(value)[:40]!r} is not a time: a number of seconds or a text like "30s", "5m" or '
            f'"1h30m" is needed, above 0 and at most 24h'
        )
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # Compare before the conversion: an integer can be too large for a float.
        return float(value) if 0 < value <= MAX_TIMEOUT else None
    if not isinstance(value, str) or len(value) > 40:
        return None
    parts = _PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
