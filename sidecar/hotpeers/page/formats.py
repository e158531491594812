"""How values look on a page."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(time: datetime | None) -> str:
    """A time for people, in UTC; "" if it is unknown."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def machine_time(time: datetime | None) -> str:
    """A time for the attribute `datetime`; "" if it is unknown."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float | None) -> str:
    """A duration in its two largest units: "3 min 20 s"; "" if it is unknown."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    left = int(seconds)
    found: list[str] = []
    for size, unit in _UNITS:
        if left >= size and len(found) < 2:
            found.append(f"{left // size} {unit}")
            left %= size
        elif found:
            break
    return " ".join(found)


def count(number: int, one: str, more: str = "") -> str:
    """A number with its noun: "1 peer", "2,000 peers"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"
