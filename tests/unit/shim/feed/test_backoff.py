"""Delays: bounded, never less than asked, and different in two copies of one process."""

import random

import pytest

from hotpeers_shim.feed.backoff import FIRST, LONGEST, after_failures, spread


@pytest.mark.parametrize("count", [1, 2, 5, 10, 10_000])
def test_delays_grow_to_a_limit(count):
    longest = min(LONGEST, FIRST * 2 ** min(count - 1, 20))
    assert all(longest / 2 <= after_failures(count) <= longest for _ in range(50))


def test_what_the_server_asks_is_the_least():
    assert all(100 <= after_failures(1, 100.0) <= 101 for _ in range(50))
    assert all(8 <= spread(10) <= 12 for _ in range(50))


def test_copies_of_one_state_get_different_delays():
    random.seed(7)
    first = [after_failures(3) for _ in range(8)]
    random.seed(7)
    assert [after_failures(3) for _ in range(8)] != first
