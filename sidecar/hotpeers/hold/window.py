"""Time windows for repayment, such as `Sat,Sun 02:00-05:00; Mon-Fri 03:30-04:30`, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SPAN = re.compile(
    r"(?:(?P<days>[A-Za-z,-]+)\s+)?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)(?:\s+UTC)?"
)
_FORM = '"[DAYS] HH:MM-HH:MM", DAYS such as Sat,Sun or Mon-Fri, several with ";"; times are UTC'
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A time span on some days (0 is Monday). If it ends before it begins, it ends on the next day."""

    days: frozenset[int]
    begin: timedelta
    end: timedelta

    def holds(self, now: datetime) -> bool:
        """Whether a time is within the span."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        length = self.end - self.begin if self.end > self.begin else self.end - self.begin + _DAY
        return any(
            (midnight - ago).weekday() in self.days
            and self.begin <= now - (midnight - ago) < self.begin + length
            for ago in (timedelta(0), _DAY)
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A set of time spans. A window without spans is always open."""

    spans: tuple[Span, ...] = ()

    def is_open(self, now: datetime) -> bool:
        """Whether a time is within one of the spans."""
        return not self.spans or any(one.holds(now.astimezone(UTC)) for one in self.spans)


def parse_window(text: str) -> Window:
    """Parse a window; "" is always open. Raises ValueError with what is wrong."""
    return Window(tuple(_span(one.strip()) for one in text.split(";") if one.strip()))


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no {_FORM}")
    begin, end = _time(found["begin"], text), _time(found["end"], text)
    if begin in (end, _DAY):
        raise ValueError(f"{text[:40]!r} is a span without time; {_FORM}")
    return Span(_days(found["days"] or "Mon-Sun", text), begin, end)


def _time(text: str, whole: str) -> timedelta:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise ValueError(f"{whole[:40]!r}: {text} is no time of a day; {_FORM}")
    return timedelta(hours=hours, minutes=minutes)


def _days(text: str, whole: str) -> frozenset[int]:
    days: set[int] = set()
    for one in text.split(","):
        first, _, last = one.partition("-")
        try:
            begin = _DAYS.index(first.capitalize())
            end = _DAYS.index((last or first).capitalize())
        except ValueError:
            raise ValueError(f"{whole[:40]!r}: {one[:20]!r} is no day; {_FORM}") from None
        # Sat-Mon wraps around the end of the week.
        days.update((begin + i) % 7 for i in range((end - begin) % 7 + 1))
    return frozenset(days)
