from datetime import UTC, datetime

import pytest

from hotpeers.hold.repay import Debt, Terms, due_debts, idle_enough
from hotpeers.hold.window import parse_window

SATURDAY = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)


def is_open(text: str, day: int, time: str) -> bool:
    hour, minute = map(int, time.split(":"))
    return parse_window(text).is_open(datetime(2026, 11, day, hour, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "day", "time", "expected"),
    [
        ("", 28, "12:00", True),
        ("02:00-05:00", 24, "02:00", True),
        ("02:00-05:00", 24, "05:00", False),
        ("Sat,Sun 02:00-05:00", 28, "04:59", True),
        ("Sat,Sun 02:00-05:00 UTC", 27, "04:59", False),
        ("Mon-Fri 22:00-04:00", 27, "23:00", True),
        ("Mon-Fri 22:00-04:00", 28, "03:59", True),
        ("Mon-Fri 22:00-04:00", 28, "04:00", False),
        ("Mon-Fri 22:00-04:00", 23, "03:00", False),
        ("Sat-Mon 00:00-24:00", 29, "23:59", True),
        ("Sat-Mon 00:00-24:00", 24, "00:00", False),
        ("sat 02:00-03:00; Tue 10:00-11:00", 24, "10:30", True),
    ],
)
def test_window_is_open_at_its_times(text: str, day: int, time: str, expected: bool) -> None:
    assert is_open(text, day, time) is expected


@pytest.mark.parametrize(
    "text",
    [
        "always",
        "2:00-3:00",
        "02:00-02:00",
        "25:00-26:00",
        "02:60-03:00",
        "Foo 02:00-03:00",
        "24:00-01:00",
    ],
)
def test_malformed_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        parse_window(text)


def test_oldest_debt_comes_first_and_a_young_one_waits() -> None:
    now = SATURDAY.timestamp()
    debts = [
        Debt("a", "young", now - 10),
        Debt("a", "old", now - 5000),
        Debt("a", "older", now - 9000),
    ]
    assert [one.name for one in due_debts(debts, Terms(), SATURDAY)] == ["older", "old"]
    assert due_debts(debts, Terms(enabled=False), SATURDAY) == []
    assert due_debts(debts, Terms(window=parse_window("Sun 02:00-05:00")), SATURDAY) == []
    assert len(due_debts(debts, Terms(window=parse_window("Sat 02:00-05:00")), SATURDAY)) == 2


def test_every_pod_must_be_idle() -> None:
    assert idle_enough([600.0, 700.0], Terms())
    assert not idle_enough([600.0, None], Terms())
    assert not idle_enough([599.0], Terms())
    assert not idle_enough([], Terms())
