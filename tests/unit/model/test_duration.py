"""Durations, as people write them."""

import pytest

from hotpeers.model.duration import parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (30, 30.0),
        (1.5, 1.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        ("24h", 86400.0),
    ],
)
def test_reads(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        True,
        None,
        "",
        "30",
        "s",
        "1d",
        "1h 30m",
        "-5s",
        "25h",
        10**400,
        float("inf"),
        float("nan"),
        [],
        "9" * 1000 + "s",
    ],
)
def test_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_duration(value)
