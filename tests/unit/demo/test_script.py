import json

import pytest

from hotpeers_demo.script import Ask, CallAgain, CallTool, Say, Use, decide, parse


def tool(name, parameter="request"):
    properties = {parameter: {"type": "string"}}
    parameters = {"type": "object", "properties": properties, "required": [parameter]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def user(text):
    return {"role": "user", "content": text}


def called(name, arguments="{}", call_id="c1"):
    function = {"name": name, "arguments": arguments}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(text, call_id="c1"):
    return {"role": "tool", "tool_call_id": call_id, "content": text}


WEATHER = tool("demo__NS__weather")
NEWS = tool("demo__NS__news")


@pytest.mark.parametrize(
    ("text", "errands"),
    [
        ("Hello", ()),
        ("", ()),
        ("What should I ask?", ()),
        ("Ask weather: will it rain?", (Ask("weather", "will it rain?"),)),
        ("ask the weather agent: will it rain?", (Ask("weather", "will it rain?"),)),
        ("Please ask oslo-weather: dry?", (Ask("oslo-weather", "dry?"),)),
        ("Ask weather: a? Then ask news: b?", (Ask("weather", "a?"), Ask("news", "b?"))),
        ("Ask weather: a, and then ask news: b", (Ask("weather", "a"), Ask("news", "b"))),
        ("Call the removed weather agent again.", (CallAgain("weather"),)),
        ("Call news again, then ask weather: a?", (CallAgain("news"), Ask("weather", "a?"))),
        ('Call find with {"query": "maps"}', (Use("find", {"query": "maps"}),)),
        ("Call find with {}. Then ask news: b?", (Use("find", {}), Ask("news", "b?"))),
        (
            'Call find with {"query": "ask news: b?"}, then call read with {"name": "x"}',
            (Use("find", {"query": "ask news: b?"}), Use("read", {"name": "x"})),
        ),
        ("Ask news: b? Then call find with {}", (Ask("news", "b?"), Use("find", {}))),
        ('Call find with {"query": maps}', ()),
        ("Call find with care", ()),
    ],
)
def test_a_message_is_read_in_its_order(text, errands):
    assert parse(text) == errands


def test_an_offered_agent_is_called_with_the_question():
    reply = decide([user("Ask weather: will it rain?")], [NEWS, WEATHER])
    assert reply == CallTool("demo__NS__weather", {"request": "will it rain?"})


def test_question_is_sent_in_the_parameter_of_the_tool():
    reply = decide([user("Ask weather: rain?")], [tool("weather", "message")])
    assert reply == CallTool("weather", {"message": "rain?"})


def test_a_dash_in_a_name_means_the_underscore_of_the_tool():
    reply = decide([user("Ask oslo-weather: rain?")], [tool("demo__NS__oslo_weather")])
    assert isinstance(reply, CallTool)


@pytest.mark.parametrize("offered", [[], [NEWS], [tool("demo__NS__bad_weather")]])
def test_an_agent_that_is_not_offered_is_not_called(offered):
    reply = decide([user("Ask weather: rain?")], offered)
    assert isinstance(reply, Say)
    assert "no agent called weather" in reply.text


def test_the_second_errand_follows_the_first_result():
    messages = [
        user("Ask weather: rain? Then ask news: new?"),
        called("demo__NS__weather"),
        result("dry"),
    ]
    assert decide(messages, [WEATHER, NEWS]) == CallTool("demo__NS__news", {"request": "new?"})
    without = decide(messages, [WEATHER])
    assert isinstance(without, Say)
    assert without.text.startswith("dry\nI have no agent called news.")


def test_turn_ends_with_the_results_of_the_calls():
    messages = [
        user("Ask weather: rain? Then ask news: new?"),
        called("demo__NS__weather"),
        result("dry"),
        called("demo__NS__news", call_id="c2"),
        result('{"result": "nothing"}', "c2"),
    ]
    assert decide(messages, [WEATHER, NEWS]) == Say("dry\nnothing")


def test_calls_of_earlier_turns_do_not_count():
    messages = [
        user("Ask weather: rain?"),
        called("demo__NS__weather"),
        result("dry"),
        {"role": "assistant", "content": "dry"},
        user("Ask weather: snow?"),
    ]
    assert decide(messages, [WEATHER]) == CallTool("demo__NS__weather", {"request": "snow?"})


def test_removed_agent_is_called_with_the_name_from_the_history():
    messages = [
        user("Ask weather: rain?"),
        called("demo__NS__weather", '{"request": "rain?"}'),
        result("dry"),
        user("Call the removed weather agent again."),
    ]
    assert decide(messages, [NEWS]) == CallTool("demo__NS__weather", {"request": "rain?"})


def test_an_agent_without_a_history_cannot_be_called_again():
    reply = decide([user("Call the weather agent again.")], [WEATHER])
    assert reply == Say("I have never called an agent weather.")


def test_a_message_in_parts_is_read():
    parts = [{"type": "text", "text": "Ask weather:"}, {"type": "text", "text": "rain?"}]
    reply = decide([{"role": "user", "content": parts}], [WEATHER])
    assert reply == CallTool("demo__NS__weather", {"request": "rain?"})


@pytest.mark.parametrize("messages", [[], [user("Hello")], [{"role": "system", "content": "x"}]])
def test_small_talk_names_the_offered_tools(messages):
    assert decide(messages, [NEWS]) == Say("I am offered: demo__NS__news.")
    assert decide(messages, []) == Say("I am offered no tools.")


FIND, READ = tool("find"), tool("read")


def test_a_tool_is_called_by_its_name_with_its_arguments():
    reply = decide([user('Call find with {"query": "maps", "limit": 3}')], [WEATHER, FIND])
    assert reply == CallTool("find", {"query": "maps", "limit": 3})


def test_a_tool_that_is_not_offered_is_not_called():
    reply = decide([user("Call find with {}")], [READ])
    assert reply == Say("I have no tool called find. I am offered: read.")


@pytest.mark.parametrize("wrap", [json.dumps, lambda found: json.dumps({"result": found})])
def test_placeholder_is_replaced_by_the_latest_result_of_the_tool(wrap):
    messages = [
        user("Call find with {}"),
        called("find", call_id="c1"),
        result(wrap({"hits": [{"name": "old"}]}), "c1"),
        called("find", call_id="c2"),
        result(wrap({"hits": [{"name": "atlas"}]}), "c2"),
        called("other", call_id="c3"),
        result(wrap({"hits": []}), "c3"),
        user('Call read with {"names": ["<hits.0.name of find>"], "note": "<hits> of find"}'),
    ]
    assert decide(messages, [READ]) == CallTool(
        "read", {"names": ["atlas"], "note": "<hits> of find"}
    )


@pytest.mark.parametrize("said", ["nothing", "{}", '{"hits": []}', '{"hits": "none"}', "[]", "7"])
def test_placeholder_without_a_result_is_not_invented(said):
    messages = [
        user('Call find with {}, then call read with {"name": "<hits.0.name of find>"}'),
        called("find"),
        result(said),
    ]
    reply = decide(messages, [FIND, READ])
    assert isinstance(reply, Say)
    assert reply.text.endswith("The last result of find has no hits.0.name.")


def test_instructions_give_the_answer_when_no_call_is_requested():
    told = {"role": "system", "content": "You translate.\nAnswer every question with: Bonjour.\n"}
    assert decide([told, user("Hello?")], [NEWS]) == Say("Bonjour.")
    assert isinstance(decide([told, user("Ask news: new?")], [NEWS]), CallTool)
