"""Which agents of a structure are offered peers, and how others answer a call from history.

The rule is docs/decisions/agent-structures.md.
"""

import pytest
from harness import peer
from scripted import call, results, texts

from hotpeers_shim import live
from kit.waiting import until

NAME = "team__NS__weather"
OTHER = "team__NS__news"

pytestmark = pytest.mark.core
adk2 = pytest.mark.needs("workflow")


def scripted(*script, model="scripted"):
    from scripted import ScriptedModel

    return ScriptedModel(model=model, script=list(script), offered=[], seen=[])


def llm(name, *script, **more):
    from google.adk.agents import LlmAgent

    return LlmAgent(name=name, model=scripted(*script), description=name, **more)


def transfer(name):
    return [("transfer_to_agent", {"agent_name": name})]


def ack_refusal(peers, subject):
    def found():
        ack = peers.ack()
        return ack and next((r for r in ack.refusals if r.subject == subject), None)

    return until("a refusal in the ack", found)


def schema():
    from pydantic import BaseModel

    class Forecast(BaseModel):
        temperature: int

    return Forecast


# -- children that control is transferred to


async def test_an_agent_that_control_is_transferred_to_is_offered_the_peers(
    peers, server, conversation
):
    child = llm("child", call(NAME, "echo from-below"), "below")
    root = llm("root", transfer("child"), sub_agents=[child])
    peers.write(peer("weather", server))
    events = await conversation(agent=root).turn("go")
    assert NAME in root.model.offered[0]
    assert NAME in child.model.offered[0]
    assert results(events)[-1].startswith("from-below [context ")
    assert texts(events)[-1] == "below"


async def test_after_a_transfer_a_call_of_a_removed_peer_is_answered(peers, server, conversation):
    child = llm("child", call(NAME, "echo after-transfer"), "understood")
    root = llm("root", call(NAME, "echo one"), "done", transfer("child"), sub_agents=[child])
    peers.write(peer("weather", server))
    talk = conversation(agent=root)
    await talk.turn("go")
    peers.write()
    root.model.script = [transfer("child")]
    child.model.script = [call(NAME, "echo after-transfer"), "understood"]
    events = await talk.turn("again")
    assert "no longer available" in results(events)[-1]
    assert texts(events)[-1] == "understood"
    assert NAME not in child.model.offered[0]


async def test_a_grandchild_below_an_agent_without_tools_is_offered_the_peers(
    peers, server, conversation
):
    from google.adk.agents import SequentialAgent

    leaf = llm("leaf", "leaf says")
    root = llm(
        "root", transfer("line"), sub_agents=[SequentialAgent(name="line", sub_agents=[leaf])]
    )
    peers.write(peer("weather", server))
    await conversation(agent=root).turn("go")
    assert leaf.model.offered == [[NAME]]


async def test_an_agent_that_code_makes_in_the_middle_of_a_turn_is_offered_the_peers(
    peers, server, conversation
):
    from google.adk.agents import BaseAgent

    made = llm("made", "made says")

    class Maker(BaseAgent):
        async def _run_async_impl(self, ctx):
            async for event in made.run_async(ctx):
                yield event

    peers.write(peer("weather", server))
    events = await conversation(agent=Maker(name="maker")).turn("go")
    assert made.model.offered == [[NAME]]
    assert texts(events)[-1] == "made says"


# -- agents that are called as tools


async def test_an_agent_called_as_a_tool_answers_a_call_from_history(peers, server, conversation):
    from google.adk.tools.agent_tool import AgentTool

    inner = llm("inner", call(NAME, "echo no"), "inner says")
    peers.write(peer("weather", server))
    talk = conversation(tools=[AgentTool(inner)])
    talk_events = await talk.turn("go", call(NAME, "echo yes"), call("inner", "anything"), "done")
    assert inner.model.offered == [[], []]
    heard = inner.model.seen[1].contents[-1].parts[-1].function_response.response["result"]
    assert "not offered to this agent" in heard
    assert texts(talk_events)[-1] == "done"
    assert server.requests("echo no") == []


@adk2
@pytest.mark.parametrize("mode", ["single_turn", "task"])
async def test_a_child_of_adk_2_that_is_called_as_a_tool_is_not_offered_the_peers(
    peers, server, conversation, mode
):
    finish = [("finish_task", {"result": "finished"})] if mode == "task" else "child says"
    child = llm("child", call(NAME, "echo no"), finish, mode=mode)
    root = llm("root", call(NAME, "echo yes"), call("child", "go"), "done", sub_agents=[child])
    peers.write(peer("weather", server))
    events = await conversation(agent=root).turn("go")
    assert all(NAME not in offered for offered in child.model.offered)
    assert len(child.model.offered) >= 2
    heard = child.model.seen[1].contents[-1].parts[-1].function_response.response["result"]
    assert "not offered to this agent" in heard
    assert texts(events)[-1] == "done"
    assert server.requests("echo no") == []


@adk2
async def test_agents_inside_a_workflow_are_offered_the_peers(peers, server, conversation):
    from google.adk.workflow import START, Workflow

    first = llm("first", call(NAME, "echo first"), "first says")
    second = llm("second", call(NAME, "echo second"), "second says")
    flow = Workflow(name="flow", edges=[(START, first), (first, second)])
    peers.write(peer("weather", server))
    talk = conversation(agent=flow)
    events = await talk.turn("go")
    assert [answer.split(" ")[0] for answer in results(events)] == ["first", "second"]
    assert first.model.offered[0] == second.model.offered[0] == [NAME]
    peers.write()
    first.model.script, second.model.script = [call(NAME, "echo three"), "so be it"], ["end"]
    events = await talk.turn("again")
    assert "no longer available" in results(events)[0]
    ack = peers.ack()
    assert not ack or not [r for r in ack.refusals if r.reason == "AgentHasNoTools"]


# -- nothing changes while there are no peers


async def test_response_schema_is_kept_without_peers(peers, server, conversation):
    talk = conversation(output_schema=schema())
    await talk.turn("go", '{"temperature": 1}')
    config = talk.model.seen[0].config
    assert config.response_schema is not None
    assert not config.tools


async def test_peer_added_during_a_turn_is_offered_beside_a_response_schema(
    peers, server, conversation
):
    def today() -> str:
        """The day."""
        peers.write(peer("weather", server))
        return "Monday"

    talk = conversation(output_schema=schema(), tools=[today])
    await talk.turn("go", [("today", {})], call(NAME, "echo x"), '{"temperature": 1}')
    assert NAME not in talk.model.offered[0]
    assert NAME in talk.model.offered[1]


async def test_schema_returns_when_the_last_peer_is_removed(peers, server, conversation):
    peers.write(peer("weather", server))
    talk = conversation(output_schema=schema())
    await talk.turn("go", call(NAME, "echo one"), '{"temperature": 1}')
    assert NAME in talk.model.offered[0]
    assert talk.model.seen[0].config.response_schema is None
    peers.write()
    events = await talk.turn("go", call(NAME, "echo two"), '{"temperature": 2}')
    assert talk.model.seen[-1].config.response_schema is not None
    assert "no longer available" in results(events)[0]


async def test_step_never_has_both_a_response_schema_and_peers(peers, server, conversation):
    """A peer appears while the request of a step is being made."""

    def instruction(context):
        peers.write(peer("weather", server))
        return "none"

    talk = conversation(output_schema=schema(), instruction=instruction)
    await talk.turn("go", '{"temperature": 1}')
    await talk.turn("go", '{"temperature": 1}')
    first, second = (request.config for request in talk.model.seen)
    assert first.response_schema is not None
    assert not first.tools
    assert second.response_schema is None
    assert NAME in talk.model.offered[1]


def search_agent(**options):
    from google.adk.agents import LlmAgent
    from google.adk.tools.google_search_tool import GoogleSearchTool

    model = scripted(model="gemini-2.5-flash")
    return LlmAgent(name="seeker", model=model, tools=[GoogleSearchTool(**options)])


def searches(request):
    return [tool for tool in request.config.tools or [] if tool.google_search]


async def test_lone_built_in_search_tool_gets_no_peers_and_the_ack_reports_it(
    peers, server, conversation
):
    agent = search_agent()
    talk = conversation(agent=agent)
    await talk.turn("go")
    assert len(agent.tools) == 1
    peers.write(peer("weather", server))
    await talk.turn("go")
    for request in agent.model.seen:
        assert len(request.config.tools) == len(searches(request)) == 1
    assert ack_refusal(peers, "seeker").reason == "BuiltInToolAlone"
    agent.model.script = [call(NAME, "echo no"), "so be it"]
    peers.write()
    await talk.turn("go")
    until("an ack without the refusal", lambda: not peers.ack().refusals)


@pytest.mark.needs("bypass")
async def test_a_search_tool_that_may_stand_beside_others_is_replaced_only_for_peers(
    peers, server, conversation
):
    agent = search_agent(bypass_multi_tools_limit=True)
    talk = conversation(agent=agent)
    await talk.turn("go")
    assert len(searches(agent.model.seen[0])) == 1
    assert agent.model.offered[0] == []
    peers.write(peer("weather", server))
    await talk.turn("go")
    assert searches(agent.model.seen[1]) == []
    assert agent.model.offered[1] == ["google_search_agent", NAME]


async def test_the_agents_list_of_tools_is_a_list_of_its_own_tools(peers, server, conversation):
    import copy

    def own() -> str:
        """The agent's own."""
        return ""

    agent = llm("holder", "x", tools=[own])
    await conversation(agent=agent).turn("go")
    assert len(agent.tools) == 1
    assert agent.tools == [own]
    assert agent.tools[:] == [own]
    assert own in agent.tools
    peers.write(peer("weather", server))
    live.get().catalog()
    for twin in (copy.copy(agent.tools), copy.deepcopy(agent.tools), agent.tools[:]):
        assert type(twin) is list
        assert twin == [own]
    twin = agent.clone()
    await conversation(agent=twin).turn("go")
    assert agent.model.offered[-1] == ["own", NAME]


# -- live


async def test_live_a_removed_peer_is_not_called(peers, server, conversation):
    from google.adk.agents.live_request_queue import LiveRequestQueue
    from google.adk.agents.run_config import RunConfig, StreamingMode
    from google.genai import types
    from live_model import LiveModel

    model = LiveModel()
    agent = llm("speaker").model_copy(update={"model": model})
    peers.write(peer("weather", server), peer("news", server))
    talk = conversation(agent=agent)
    await talk.sessions.create_session(app_name="app", user_id="user", session_id=talk.session_id)
    queue = LiveRequestQueue()
    session = await talk.sessions.get_session(
        app_name="app", user_id="user", session_id=talk.session_id
    )
    running = talk.runner().run_live(
        user_id="user",
        session_id=session.id,
        live_request_queue=queue,
        run_config=RunConfig(streaming_mode=StreamingMode.BIDI, response_modalities=["TEXT"]),
    )
    queue.send_content(types.Content(role="user", parts=[types.Part(text="go")]))
    answers = []
    steps = [call(NAME, "echo first"), call(NAME, "echo live-removed"), call(OTHER, "echo last")]
    model.say(steps.pop(0))
    async for event in running:
        answers += results([event])
        if event.get_function_responses():
            if not steps:
                break
            peers.write(peer("news", server))
            model.say(steps.pop(0))
    queue.close()
    await running.aclose()
    assert answers[0].startswith("first [context ")
    assert "no longer available" in answers[1]
    assert answers[2].startswith("last [context ")
    assert server.requests("echo live-removed") == []
    assert model.connections == 1
