"""When the state is logged: the last line tells it, and no problem floods the log."""

from hotpeers_shim.feed.logpace import MOST_LINES, PERIOD_SECONDS, LogPace


def test_only_changes_are_logged_and_a_lasting_problem_once_a_period():
    pace = LogPace()
    assert not pace.is_due("", 0)
    assert pace.is_due("closed", 1)
    assert not pace.is_due("closed", 2)
    assert pace.is_due("status 401", 3)
    assert not pace.is_due("status 401", 3 + PERIOD_SECONDS - 1)
    assert pace.is_due("status 401", 3 + PERIOD_SECONDS)
    assert pace.is_due("", 4 + PERIOD_SECONDS)
    assert not pace.is_due("", 5 + 9 * PERIOD_SECONDS)


def test_problem_that_comes_back_is_logged_again_at_once():
    pace = LogPace()
    assert [pace.is_due(problem, 0) for problem in ("closed", "", "closed", "")] == [True] * 4


def test_problem_that_comes_and_goes_has_few_lines_and_its_last_state_is_logged():
    pace = LogPace()
    lines = [time for time in range(600) if pace.is_due("closed" if time % 2 else "", time)]
    for start in range(0, 600, 60):
        assert sum(start <= time < start + PERIOD_SECONDS for time in lines) <= MOST_LINES
    assert pace.is_due("the last", 600 + PERIOD_SECONDS)
