"""The lines of `hotpeers status --watch` without a terminal."""

from hotpeers.base.names import NamespacedName
from hotpeers.overview.differences import differences
from hotpeers.overview.summary import Summary, read_orchestrator, summarize
from kit.orchestrators import NOW, Object, orchestrator, refusal, stamp, status

View = dict[NamespacedName, Summary]


def view(*objects: Object) -> View:
    found = [summarize(read_orchestrator(one), NOW) for one in objects]
    return {one.key: one for one in found}


def lines(before: View, after: View) -> list[str]:
    return [f"{key}: {line}" for key, line in differences(before, after)]


def test_new_problem_and_its_end_have_a_line_each() -> None:
    good = view(orchestrator(status=status()))
    bad = view(orchestrator(status=status(**refusal())))
    problem = "CardUnavailable team/broken: connection refused"
    assert lines(good, bad) == [
        f"team/concierge: problem: {problem}",
        "team/concierge: now: problem, 1 of 1 peers ready, 1 refused, live True",
    ]
    assert lines(bad, good) == [
        f"team/concierge: solved: {problem}",
        "team/concierge: now: ok, 1 of 1 peers ready, 0 refused, live True",
    ]


def test_orchestrators_come_and_go() -> None:
    one = view(orchestrator())
    assert lines(view(), one) == [
        "team/concierge: added: unknown",
        "team/concierge: problem: NoReport: no pod has reported yet",
    ]
    assert lines(one, view()) == ["team/concierge: removed"]


def test_a_further_report_of_the_same_is_no_line() -> None:
    again = status()
    again["replicas"]["pod-1"] |= {"time": stamp(-900), "calls": 8}
    assert lines(view(orchestrator(status=status())), view(orchestrator(status=again))) == []
