from __future__ import annotations

import pytest

from hotpeers.base.backoff import Backoff, pause_after


def test_pauses_double_up_to_the_longest():
    backoff = Backoff(0.5, 3.0)

    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_factor_sets_the_growth():
    backoff = Backoff(1.0, 10.0, factor=3.0)

    assert [backoff.next() for _ in range(4)] == [1.0, 3.0, 9.0, 10.0]


def test_reset_starts_again_with_the_first_pause():
    backoff = Backoff(0.5, 3.0)
    backoff.next()
    backoff.next()

    backoff.reset()

    assert [backoff.next(), backoff.next()] == [0.5, 1.0]


def test_first_pause_may_exceed_the_longest():
    backoff = Backoff(5.0, 3.0)

    assert [backoff.next(), backoff.next()] == [5.0, 3.0]


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.1), (2, 0.2), (4, 0.8), (10, 5.0), (10_000, 5.0)]
)
def test_pause_after_failures_in_a_row(failures: int, seconds: float) -> None:
    assert pause_after(failures, 0.1, 5.0) == pytest.approx(seconds)
