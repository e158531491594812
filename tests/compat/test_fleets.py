"""An orchestrator with more peers than its list of tools may hold, with the real framework."""

import json
from dataclasses import replace

import pytest
from harness import peer
from scripted import call, results, texts
from test_approval import decision

from hotpeers_shim import live
from kit.waiting import until

FLEET = ["ask_agent", "list_agents"]


def fleet(server, count=100, **of):
    """`count` peers at one server; `of` are more fields of a peer, by its name."""
    names = [f"agent-{number:03}" for number in range(count)]
    return [peer(name, server, **of.get(name.replace("-", "_"), {})) for name in names]


def tool(number):
    return f"team__NS__agent_{number:03}"


def ask(number, message):
    return [("ask_agent", {"agent": f"team/agent-{number:03}", "message": message})]


@pytest.fixture
def settings(monkeypatch):
    """Sets the limit of tools and the pins of this process."""

    def use(**fields):
        state = live.get()
        monkeypatch.setattr(state, "settings", replace(state.settings, **fields))

    return use


@pytest.mark.core
@pytest.mark.shows("100 agents: pins, `ask_agent` and `list_agents`; conversations go on")
async def test_a_large_fleet_is_reached_by_two_tools_and_the_conversation_is_kept(
    peers, server, conversation, settings
):
    settings(pinned_peers=("team/agent-007", "team/agent-09*"))
    every = fleet(server, agent_042={"description": "Translates old Norse sagas"})
    peers.write(*every)
    talk = conversation()
    events = await talk.turn(
        "go",
        [("list_agents", {"query": "who can translate a saga", "limit": 3})],
        ask(42, "echo one"),
        ask(42, "echo two"),
        call(tool(7), "echo pinned"),
    )
    pins = [tool(7), *map(tool, range(90, 100))]
    assert talk.model.offered == [FLEET + pins] * 5
    listed, one, two, direct = results(events)
    assert json.loads(listed)["agents"][0]["agent"] == "team/agent-042"
    assert json.loads(listed)["all"] == 100
    context = one.split()[2]
    assert [one, two] == [
        f"{said} [context {context} request {number}]"
        for number, said in enumerate(("one", "two"), start=1)
    ]
    assert direct.startswith("pinned [context ")
    assert texts(events)[-1] == "done"

    # From the next turn on, the peer that was used has its own tool, at the end of the list.
    events = await talk.turn("go on", call(tool(42), "echo three"), ask(42, "echo four"))
    assert talk.model.offered[5:] == [[*FLEET, *pins, tool(42)]] * 3
    assert {said.split()[2] for said in results(events)} == {context}

    # A peer that is removed is explained, whatever the model calls it.
    peers.write(*(each for each in every if each["name"] != "agent-042"))
    events = await talk.turn("again", ask(42, "echo no"), call(tool(42), "echo no"))
    assert talk.model.offered[8:] == [FLEET + pins] * 3
    assert "AgentUnknown" in results(events)[0]
    assert "It was removed." in results(events)[0]
    assert "no longer available" in results(events)[1]
    assert texts(events)[-1] == "done"
    assert server.requests("echo no") == []


async def test_a_peer_that_appears_in_a_turn_is_found_and_asked_in_it(peers, server, conversation):
    every = fleet(server, 80)
    peers.write(*every)

    def add(_):
        peers.write(*every, peer("weather", server, description="Forecasts of rain"))
        return [("list_agents", {"query": "rain"})]

    talk = conversation()
    events = await talk.turn(
        "go", add, [("ask_agent", {"agent": "weather", "message": "echo wet"})]
    )
    assert json.loads(results(events)[0])["agents"][0]["agent"] == "team/weather"
    assert results(events)[1].startswith("wet [context ")
    assert talk.model.offered == [FLEET] * 3


@pytest.mark.core
async def test_a_fleet_that_grows_in_a_turn_takes_no_tool_from_it(peers, server, conversation):
    peers.write(*fleet(server, 64))

    def grow(_):
        peers.write(*fleet(server, 65))
        return call(tool(1), "echo before")

    talk = conversation()
    events = await talk.turn("go", grow, call(tool(2), "echo after"))
    assert [len(offered) for offered in talk.model.offered] == [64, 2, 2]
    assert [said.partition(" [")[0] for said in results(events)] == ["before", "after"]


@pytest.mark.core
async def test_a_fleet_that_shrinks_answers_the_tools_that_history_names(
    peers, server, conversation
):
    peers.write(*fleet(server, 65))
    talk = conversation()
    await talk.turn("go", [("list_agents", {})])
    peers.write(*fleet(server, 3))
    events = await talk.turn("again", ask(1, "echo no"), [("list_agents", {})])
    assert talk.model.offered[2:] == [[tool(0), tool(1), tool(2)]] * 3
    assert f"its own tool, {tool(1)}" in results(events)[0]
    assert [one["tool"] for one in json.loads(results(events)[1])["agents"]] == [
        tool(0),
        tool(1),
        tool(2),
    ]
    peers.write()
    events = await talk.turn("and again", ask(1, "echo no"))
    assert "no agents are offered" in results(events)[0]
    assert talk.model.offered[-1] == []
    assert server.requests("echo no") == []


async def test_the_tools_that_were_used_last_are_declared_in_a_stable_order(
    peers, server, conversation, settings
):
    settings(max_tools=5)
    peers.write(*fleet(server, 20))
    talk = conversation(fresh_runner=True)
    for number in (4, 3, 2, 4):
        await talk.turn("go", ask(number, "echo hello"))
    await talk.turn("go", "done")
    assert talk.model.offered[-1] == [*FLEET, tool(4), tool(3), tool(2)]
    # Another one takes the place of the one that was not used for the longest time. It is still callable.
    await talk.turn("go", ask(9, "echo hello"))
    events = await talk.turn("go", call(tool(3), "echo still"))
    assert talk.model.offered[-1] == [*FLEET, tool(4), tool(2), tool(9)]
    assert results(events)[0].startswith("still [context ")


async def test_an_own_tool_named_ask_agent_wins_and_is_reported(peers, server, conversation):
    def ask_agent(question: str) -> dict:
        """Asks the agent's own oracle."""
        return {"result": f"own {question}"}

    peers.write(*fleet(server, 70))
    talk = conversation(tools=[ask_agent])
    events = await talk.turn("go", [("ask_agent", {"question": "q"})], [("list_agents", {})])
    assert talk.model.offered[0] == FLEET
    assert results(events)[0] == "own q"
    assert json.loads(results(events)[1])["all"] == 70

    def refusal():
        found = peers.ack().refusals
        return next((one for one in found if one.subject == "ask_agent"), None)

    assert until("the refusal", refusal).reason == "ToolNameTaken"


async def test_a_pinned_peer_is_called_only_by_its_own_tool(peers, server, conversation, settings):
    settings(pinned_peers=("team/agent-007",))
    peers.write(*fleet(server))
    asked = []
    talk = conversation(before_tool_callback=lambda tool, **_: asked.append(tool.name))
    events = await talk.turn(
        "go", ask(7, "echo no"), [("list_agents", {"query": "agent-007", "limit": 1})]
    )
    assert f"has its own tool, {tool(7)}. Nothing was sent" in results(events)[0]
    assert json.loads(results(events)[1])["agents"][0]["tool"] == tool(7)
    assert asked == ["ask_agent", "list_agents"]
    assert server.requests("echo no") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "ArgumentsInvalid"),
        ({"agent": "team/agent-001"}, "ArgumentsInvalid"),
        ({"agent": "nobody", "message": "echo no"}, "AgentUnknown"),
        ({"agent": ["team/agent-001"], "message": "echo no"}, "ArgumentsInvalid"),
    ],
)
async def test_arguments_that_reach_no_peer_are_explained(
    peers, server, conversation, arguments, says
):
    peers.write(*fleet(server, 70))
    events = await conversation().turn("go", [("ask_agent", arguments)])
    assert says in results(events)[0]
    assert "Nothing was sent" in results(events)[0]
    assert server.requests("echo no") == []


async def test_an_approval_of_ask_agent_is_bound_to_the_peer_that_it_names(
    peers, server, conversation
):
    def ask_first(tool, args, tool_context):
        if tool.name == "ask_agent" and tool_context.tool_confirmation is None:
            tool_context.request_confirmation(hint="May I?")
            return {"result": "waiting"}
        return None

    every = fleet(server, 70)
    peers.write(*every)
    talk = conversation(before_tool_callback=ask_first)
    asked = await talk.turn("go", ask(5, "echo approved"), "waiting")
    events = await talk.turn(decision(asked), "done")
    assert any(said.startswith("approved [context ") for said in results(events))

    asked = await talk.turn("go", ask(5, "echo elsewhere"), "waiting")
    every[5] = {**every[5], "url": f"{server.url}/"}
    peers.write(*every)
    events = await talk.turn(decision(asked), "done")
    assert any("approval does not hold" in said for said in results(events))
    assert server.requests("echo elsewhere") == []
