"""How many Events a subject may write."""

from hotpeers.controller.admission.pace import Pace


def test_only_so_many_in_a_window() -> None:
    now = 0.0
    pace = Pace(3, 60.0, lambda: now)
    assert [pace.take("a") for _ in range(5)] == [True, True, True, False, False]
    assert pace.take("b")
    now = 59.0
    assert not pace.take("a")
    # Refused requests do not count.
    now = 60.0
    assert [pace.take("a") for _ in range(4)] == [True, True, True, False]
