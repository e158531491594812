"""Which peers of a large fleet are tools of their own, and in which order."""

import random

import pytest

from hotpeers_shim.contract import Peer, tool_name
from hotpeers_shim.fleet.declared import FLEET_TOOLS, Use, is_large, pinned, recent, room


def peers(*names: str) -> dict[str, Peer]:
    found = {}
    for shown in names:
        namespace, _, name = shown.rpartition("/")
        tool = tool_name(namespace, name)
        found[tool] = Peer(name=name, namespace=namespace, url="http://x/", toolName=tool)
    return found


FLEET = peers("billing/pay", "billing/refund", "team/weather", "team/news", "router", "a/b")


def test_a_fleet_is_large_above_the_limit() -> None:
    assert [is_large(range(count), 64) for count in (0, 64, 65)] == [False, False, True]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((), []),
        (("team/weather",), ["team__NS__weather"]),
        (("team/*", "billing/pay"), ["team__NS__news", "team__NS__weather", "billing__NS__pay"]),
        (("billing/pay", "billing/*"), ["billing__NS__pay", "billing__NS__refund"]),
        (("router", "team/none"), ["router"]),
        (("*/pay",), ["billing__NS__pay"]),
        (("team__NS__news",), ["team__NS__news"]),
        # Only the star is special, and case counts.
        (("team/new?", "team/[n]ews", "TEAM/news", "team"), []),
    ],
)
def test_pins_follow_the_patterns_and_then_the_names(
    patterns: tuple[str, ...], expected: list[str]
) -> None:
    assert list(pinned(FLEET, patterns, 64)) == expected


def test_no_more_peers_are_pinned_than_there_is_room_for() -> None:
    assert len(pinned(FLEET, ("*",), 4)) == 2
    assert pinned(FLEET, ("*",), 2) == ()
    assert room(1) == 0


def test_a_peer_of_the_name_of_a_tool_of_the_fleet_is_not_declared() -> None:
    odd = peers("ask_agent", "list_agents", "team/other")
    assert pinned(odd, ("*",), 64) == ("team__NS__other",)
    uses = [Use(name, 1.0, 2.0) for name in odd]
    assert recent(odd, (), uses, 64) == ("team__NS__other",)
    assert set(FLEET_TOOLS) <= odd.keys()


def test_peers_that_were_used_are_in_the_order_of_their_first_use() -> None:
    uses = [Use("c", 3, 3), Use("a", 2, 9), Use("b", 1, 4), Use("gone", 0, 99), Use("pin", 0, 99)]
    assert recent({"a", "b", "c", "pin"}, {"pin"}, uses, 64) == ("b", "a", "c")


def test_uses_without_times_are_the_oldest() -> None:
    uses = [Use("old", 0, 0), Use("older", 0, 0), Use("new", 5, 5)]
    assert recent({"old", "older", "new"}, (), uses, 4) == ("older", "new")
    assert recent({"old", "older", "new"}, (), uses, 64) == ("old", "older", "new")


def test_only_the_use_of_another_peer_changes_the_list_and_moves_no_tool() -> None:
    chance = random.Random(7)
    fleet = {f"peer-{number}" for number in range(40)}
    pins = ("peer-0", "peer-1")
    uses: dict[str, Use] = {}
    shown: tuple[str, ...] = ()
    for moment in range(1, 2000):
        name = f"peer-{min(int(chance.expovariate(0.15)), 39)}"
        first = uses[name].first if name in uses else moment
        uses[name] = Use(name, first, moment)
        # Stores of sessions may sort the keys.
        now = recent(fleet, pins, sorted(uses.values(), key=lambda use: use.name), 12)
        assert len(now) <= 12 - len(FLEET_TOOLS) - len(pins)
        assert name in now or name in pins
        if name in shown or name in pins:
            assert now == shown
        # The tools that stay keep their order, and at most one goes.
        assert [one for one in shown if one in now] == [one for one in now if one in shown]
        assert len(set(shown) - set(now)) <= 1
        shown = now
