"""Pauses between retries."""

import pytest

from hotpeers.base.backoff import Backoff, pause_after


def test_pauses_double_up_to_the_longest_and_begin_again_after_a_success() -> None:
    backoff = Backoff(0.2, 1.0)
    assert [backoff.next() for _ in range(5)] == pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0])
    backoff.reset()
    assert backoff.next() == pytest.approx(0.2)


def test_pauses_grow_by_the_factor() -> None:
    backoff = Backoff(1.0, 20.0, factor=3.0)
    assert [backoff.next() for _ in range(4)] == pytest.approx([1.0, 3.0, 9.0, 20.0])


def test_jitter_shortens_a_pause_by_at_most_its_part() -> None:
    backoff = Backoff(1.0, 1.0, jitter=0.5)
    found = [backoff.next() for _ in range(200)]
    assert min(found) >= 0.5
    assert max(found) <= 1.0
    assert max(found) - min(found) > 0.2


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.1), (2, 0.2), (4, 0.8), (10, 5.0), (10_000, 5.0)]
)
def test_pause_after_failures_in_a_row(failures: int, seconds: float) -> None:
    assert pause_after(failures, 0.1, 5.0) == pytest.approx(seconds)
