"""Peers as tools of one running conversation: added, used, changed and removed."""

import pytest
from harness import peer
from scripted import call, results, texts

NAME = "team__NS__weather"


@pytest.mark.core
@pytest.mark.shows("calls")
async def test_a_peer_added_between_two_turns_is_offered_and_used_in_the_next(
    peers, server, conversation
):
    talk = conversation()
    await talk.turn("hello")
    assert talk.model.offered[-1] == []
    peers.write(peer("weather", server))
    events = await talk.turn("go", call(NAME, "echo sunny"), "fine")
    assert talk.model.offered[-1] == [NAME]
    assert results(events)[0].startswith("sunny [context ")
    assert texts(events)[-1] == "fine"


@pytest.mark.core
@pytest.mark.shows("offers")
async def test_a_peer_added_during_a_turn_is_offered_in_that_turn(peers, server, conversation):
    peers.write(peer("weather", server))
    talk = conversation()

    def add_news(request):
        peers.write(peer("weather", server), peer("news", server))
        return call(NAME, "echo rain")

    events = await talk.turn("go", add_news, call("team__NS__news", "echo extra"), "done")
    assert talk.model.offered == [[NAME], [NAME, "team__NS__news"], [NAME, "team__NS__news"]]
    assert [text.split(" ")[0] for text in results(events)] == ["rain", "extra"]


async def test_a_peer_removed_between_the_request_and_the_answer_is_still_asked(
    peers, server, conversation
):
    peers.write(peer("weather", server))
    talk = conversation()

    def remove(request):
        peers.write()
        return call(NAME, "echo late")

    events = await talk.turn("go", remove)
    assert results(events)[0].startswith("late [context ")
    assert talk.model.offered == [[NAME], []]


@pytest.mark.core
@pytest.mark.shows("removes")
async def test_old_history_that_calls_a_removed_peer_is_answered(peers, server, conversation):
    peers.write(peer("weather", server))
    talk = conversation()
    await talk.turn("go", call(NAME, "echo one"))
    peers.write()
    events = await talk.turn("again", call(NAME, "echo after its removal"), "understood")
    assert "no longer available" in results(events)[0]
    assert texts(events)[-1] == "understood"
    assert NAME not in talk.model.offered[-1]
    assert server.requests("echo after its removal") == []


@pytest.mark.core
async def test_tombstone_is_restored_from_the_session_state(peers, server, conversation):
    """As after a restart of the process: nothing but the session's state remembers the peer."""
    from hotpeers_shim import live

    peers.write(peer("weather", server))
    talk = conversation(fresh_runner=True)
    await talk.turn("go", call(NAME, "echo one"))
    peers.write()
    state = live.get()
    state.catalog()
    state._catalog = type(state._catalog)(state._catalog.generation, state._catalog.digest)
    assert state.catalog().gone == ()
    events = await talk.turn("again", call(NAME, "echo two"))
    assert "no longer available" in results(events)[0]


async def test_unreachable_peer_leaves_a_tombstone(peers, conversation):
    peers.write(peer("weather", "http://127.0.0.1:9"))
    talk = conversation()
    await talk.turn("go", call(NAME, "echo one"))
    assert f"hotpeers.dev/peer/{NAME}" in await talk.state()


async def test_peer_that_comes_back_continues_in_the_same_context(peers, server, conversation):
    peers.write(peer("weather", server))
    talk = conversation()
    first = await talk.turn("go", call(NAME, "echo one"))
    peers.write()
    await talk.turn("nothing")
    peers.write(peer("weather", server))
    second = await talk.turn("go", call(NAME, "echo two"))
    context = results(first)[0].split("context ")[1].split(" ")[0]
    assert f"context {context} request 2" in results(second)[0]


async def test_each_session_and_peer_has_its_own_context(peers, server, conversation):
    peers.write(peer("weather", server), peer("news", server))
    answers = []
    for _ in range(2):
        talk = conversation()
        answers += results(
            await talk.turn("go", call(NAME, "echo a"), call("team__NS__news", "echo b"))
        )
    contexts = {answer.split("context ")[1].split(" ")[0] for answer in answers}
    assert len(contexts) == 4


@pytest.mark.core
async def test_parallel_calls_of_one_peer_are_sent_one_after_the_other(peers, server, conversation):
    peers.write(peer("weather", server))
    talk = conversation()
    before = server.log()["overlaps"]
    calls = [(NAME, {"request": f"slow 0.2{i}"}) for i in range(3)]
    events = await talk.turn("go", calls, "done")
    assert sorted(text[:4] for text in results(events)) == ["0.20", "0.21", "0.22"]
    assert server.log()["overlaps"] == before


@pytest.mark.core
async def test_an_agents_own_tool_of_the_same_name_wins(peers, server, conversation):
    def team__NS__weather(request: str) -> str:  # noqa: N802
        """The agent's own."""
        return "static answer"

    peers.write(peer("weather", server), peer("news", server))
    talk = conversation(tools=[team__NS__weather])
    events = await talk.turn("go", call(NAME, "echo no"))
    assert results(events) == ["static answer"]
    assert talk.model.offered[0] == [NAME, "team__NS__news"]
    ack = next(refusal for refusal in _ack(peers).refusals if refusal.subject == NAME)
    assert ack.reason == "ToolNameTaken"


def _ack(peers):
    from kit.waiting import until

    return until("a refusal", lambda: (ack := peers.ack()) and ack.refusals and ack)


async def test_a_name_hidden_in_another_toolset_is_refused_when_it_shows(
    peers, server, conversation
):
    from google.adk.tools.base_toolset import BaseToolset
    from google.adk.tools.function_tool import FunctionTool

    def team__NS__weather(request: str) -> str:  # noqa: N802
        """The agent's own, of a toolset."""
        return "static answer"

    class Own(BaseToolset):
        async def get_tools(self, readonly_context=None):
            return [FunctionTool(team__NS__weather)]

    peers.write(peer("weather", server))
    talk = conversation(tools=[Own()])
    events = await talk.turn("go", call(NAME, "echo no"), call(NAME, "echo no"))
    assert results(events) == ["static answer", "static answer"]
    assert talk.model.offered == [[NAME]] * 3


async def test_a_nested_agent_tool_is_given_no_peers(peers, server, conversation):
    from google.adk.agents import LlmAgent
    from google.adk.tools.agent_tool import AgentTool
    from scripted import ScriptedModel

    inner_model = ScriptedModel(script=["inner says"], offered=[], seen=[])
    inner = LlmAgent(name="inner", model=inner_model, description="inner")
    peers.write(peer("weather", server))
    talk = conversation(tools=[AgentTool(inner)])
    await talk.turn("go", call("inner", "anything"))
    assert inner_model.offered == [[]]
    assert inner.tools == []
    assert talk.model.offered[0] == ["inner", NAME]


async def test_many_runners_of_one_agent_give_it_one_toolset(peers, server, conversation):
    from google.adk.agents import LlmAgent
    from scripted import ScriptedModel

    model = ScriptedModel(script=[], offered=[], seen=[])
    agent = LlmAgent(name="orchestrator", model=model)
    talk = conversation(agent=agent, fresh_runner=True)
    peers.write(peer("weather", server))
    for _ in range(3):
        await talk.turn("go")
        await talk.runner().close()
    assert model.offered == [[NAME]] * 3
    assert len(agent.tools) == 1


async def test_a_root_without_tools_gives_them_to_the_agents_below(peers, server, conversation):
    from google.adk.agents import LlmAgent, SequentialAgent
    from scripted import ScriptedModel

    models = [ScriptedModel(script=[], offered=[], seen=[]) for _ in range(2)]
    root = SequentialAgent(
        name="pipeline",
        sub_agents=[LlmAgent(name=f"step{i}", model=model) for i, model in enumerate(models)],
    )
    peers.write(peer("weather", server))
    talk = conversation(agent=root)
    await talk.turn("go")
    assert [model.offered for model in models] == [[[NAME]], [[NAME]]]


async def test_a_root_that_can_hold_no_tools_is_named_in_the_ack(peers, server, conversation):
    from google.adk.agents import BaseAgent

    class Silent(BaseAgent):
        async def _run_async_impl(self, ctx):
            return
            yield

    talk = conversation(agent=Silent(name="silent"))
    await talk.turn("go")
    refusal = next(r for r in _ack(peers).refusals if r.subject == "silent")
    assert refusal.reason == "AgentHasNoTools"


@pytest.mark.core
async def test_broken_file_keeps_the_offered_peers(peers, server, conversation):
    peers.write(peer("weather", server))
    talk = conversation()
    await talk.turn("go")
    for content in (b"", b"{", b"null", b"\xff\xfe", b"[]"):
        peers.raw(content)
        await talk.turn("go")
        assert talk.model.offered[-1] == [NAME]
    peers.write()
    await talk.turn("go")
    assert talk.model.offered[-1] == []


async def test_declarations_are_bounded_and_not_shared_between_requests(
    peers, server, conversation
):
    skills = [{"id": f"s{i}", "name": "skill", "description": "x" * 500} for i in range(9)]
    peers.write(peer("weather", server, skills=skills))
    talk = conversation()
    await talk.turn("one")
    declaration = talk.model.seen[0].config.tools[0].function_declarations[0]
    assert len(declaration.description) <= 1024
    declaration.description = "spoilt by a callback"
    await talk.turn("two")
    again = talk.model.seen[1].config.tools[0].function_declarations[0]
    assert again.description.startswith("weather does things Skills: skill: xxx")


async def test_name_in_another_script_is_in_the_tool_description(peers, server, conversation):
    one = {**peer("\u5929\u6c17", server), "namespace": "", "description": "forecasts"}
    peers.write(one)
    talk = conversation()
    await talk.turn("go")
    declaration = talk.model.seen[0].config.tools[0].function_declarations[0]
    assert declaration.name.isascii()
    assert declaration.description.startswith("\u5929\u6c17: forecasts")
