"""How many calls begin in a minute."""

from hotpeers.mcp.hub.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_as_many_at_once_as_a_minute_allows_then_one_at_a_time() -> None:
    clock = Clock()
    pace = Pace(60, clock)
    assert [pace.begin() for _ in range(60)] == [0.0] * 60
    assert 0.99 < pace.begin() <= 1.0
    clock.now += 0.5
    assert 0.49 < pace.begin() <= 0.5
    clock.now += 0.51
    assert pace.begin() == 0.0
    assert pace.begin() > 0.9


def test_quiet_hours_do_not_add_up() -> None:
    clock = Clock()
    pace = Pace(2, clock)
    clock.now += 3600
    assert [pace.begin() for _ in range(3)] == [0.0, 0.0, 30.0]


def test_changed_limit_keeps_the_calls_that_were_made() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    for _ in range(9):
        pace.begin()
    pace.change(5)
    assert pace.begin() > 0
    pace.change(20)
    assert pace.begin() == 0.0
