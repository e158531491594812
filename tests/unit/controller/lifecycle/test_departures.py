"""The agents that are gone, and the slots that they free."""

from hotpeers.controller.lifecycle import departures
from hotpeers.controller.lifecycle.departures import Departures
from hotpeers.spawnpolicy.origin import KnownAgent
from hotpeers.spawnpolicy.stamps import POLICY, Stamps


def agent(name: str, uid: str, policy: str = "team/workers") -> KnownAgent:
    return KnownAgent("team", name, uid, name, Stamps({POLICY: policy} if policy else {}))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_departures_of_a_policy_by_name() -> None:
    gone = Departures()
    for one in (agent("a", "1"), agent("a", "2"), agent("b", "3"), agent("c", "4", "team/other")):
        gone.note(one)
    assert gone.of("team/workers") == {"team/a": ("1", "2"), "team/b": ("3",)}
    assert gone.of("team/none") == {}


def test_agents_without_a_policy_are_not_kept() -> None:
    gone = Departures()
    gone.note(agent("a", "1", ""))
    assert gone.since(0.0) == []


def test_departures_are_forgotten_after_a_while() -> None:
    clock = Clock()
    gone = Departures(clock)
    gone.note(agent("a", "1"))
    assert gone.since(1000.0) == ["team/workers"]
    assert gone.since(1000.1) == []
    clock.now += 200.0
    assert gone.of("team/workers") == {}
    gone.note(agent("b", "2", "team/other"))
    assert gone.since(0.0) == ["team/other"]


def test_memory_is_bounded() -> None:
    gone = Departures()
    for number in range(departures._MOST + 100):
        gone.note(agent(f"a{number}", str(number)))
    assert len(gone.of("team/workers")) == departures._MOST
    for number in range(departures._MOST_POLICIES + 100):
        gone.note(agent("a", "1", f"team/{number}"))
    assert len(gone.since(0.0)) == departures._MOST_POLICIES
