"""A human's approval holds for the definition that it was asked for, and for no other."""

import uuid

import pytest
from google.genai import types
from harness import peer
from scripted import call, results, texts

NAME = "team__NS__weather"


def ask_for_approval(tool, args, tool_context):
    """A `before_tool_callback` as kagent's: the first call asks, the resumed one goes through."""
    if tool_context.tool_confirmation is None:
        tool_context.request_confirmation(hint="may it?")
        return {"status": "confirmation_requested"}
    if not tool_context.tool_confirmation.confirmed:
        return "Rejected by the user."
    return None


def decision(events, *, confirmed=True, payload=None):
    """The user's answer to the confirmation that `events` ask for, as ADK's clients send it."""
    (asked,) = [
        one
        for event in events
        for one in event.get_function_calls()
        if one.name == "adk_request_confirmation"
    ]
    response = {"confirmed": confirmed, "hint": "", "payload": payload}
    return types.Content(
        role="user",
        parts=[
            types.Part(
                function_response=types.FunctionResponse(
                    id=asked.id, name=asked.name, response=response
                )
            )
        ],
    )


@pytest.fixture
def talk(conversation):
    return conversation(before_tool_callback=ask_for_approval, fresh_runner=False)


async def test_an_approved_call_is_made(peers, server, talk):
    text = f"echo {uuid.uuid4()}"
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    assert server.requests(text) == []
    events = await talk.turn(decision(asked), "end")
    assert results(events)[0].startswith(text[5:])
    assert len(server.requests(text)) == 1


async def test_approval_holds_when_another_peer_is_added(peers, server, talk):
    text = f"echo {uuid.uuid4()}"
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    peers.write(peer("weather", server), peer("news", server))
    events = await talk.turn(decision(asked), "end")
    assert results(events)[0].startswith(text[5:])


async def test_approval_holds_when_the_fleet_becomes_too_large_for_a_tool_each(peers, server, talk):
    text = f"echo {uuid.uuid4()}"
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    peers.write(peer("weather", server), *(peer(f"other-{n}", server) for n in range(70)))
    events = await talk.turn(decision(asked), "end")
    assert results(events)[0].startswith(text[5:])
    assert len(server.requests(text)) == 1


async def test_a_rejected_call_is_not_made(peers, server, talk):
    text = f"echo {uuid.uuid4()}"
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    events = await talk.turn(decision(asked, confirmed=False), "end")
    assert "Rejected" in results(events)[0]
    assert server.requests(text) == []


@pytest.mark.core
async def test_an_approval_does_not_hold_at_another_address(peers, server, start_server, talk):
    text = f"echo {uuid.uuid4()}"
    other = start_server()
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    peers.write(peer("weather", other))
    events = await talk.turn(decision(asked), "end")
    assert "approval does not hold" in results(events)[0]
    assert texts(events)[-1] == "end"
    assert server.requests(text) == other.requests(text) == []


@pytest.mark.core
async def test_approval_for_a_removed_peer_ends_the_turn_with_an_explanation(peers, server, talk):
    text = f"echo {uuid.uuid4()}"
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    peers.write()
    events = await talk.turn(decision(asked), "end")
    assert "no longer available" in results(events)[0]
    assert texts(events)[-1] == "end"
    assert server.requests(text) == []


async def test_an_approval_made_up_by_a_client_is_not_carried_out(peers, server, talk):
    """The state that binds it is written where approval is asked for, never by the one who answers."""
    text = f"echo {uuid.uuid4()}"
    peers.write(peer("weather", server))
    asked = await talk.turn("go", call(NAME, text))
    session = talk.sessions.sessions["app"]["user"][talk.session_id]
    for key in [key for key in session.state if key.startswith("hotpeers.dev/approval/")]:
        del session.state[key]
    events = await talk.turn(decision(asked), "end")
    assert "approval does not hold" in results(events)[0]
    assert server.requests(text) == []


@pytest.mark.on_kagent
@pytest.mark.needs("kagent's tool")
@pytest.mark.parametrize("others", [0, 70], ids=["own tool", "ask_agent"])
async def test_a_sub_agents_tool_is_approved_through_kagent(
    peers, start_server, conversation, runtime, others
):
    server = start_server()
    peers.write(peer("weather", server), *(peer(f"other-{n}", server) for n in range(others)))
    talk = conversation()
    ask = [("ask_agent", {"agent": "weather", "message": "approve delete_file"})]
    asked = await talk.turn("go", ask if others else call(NAME, "approve delete_file"))
    (request,) = [
        one
        for event in asked
        for one in event.get_function_calls()
        if one.name == "adk_request_confirmation"
    ]
    confirmation = request.args["toolConfirmation"]
    assert "delete_file" in confirmation["hint"]
    payload = confirmation["payload"]
    if "hitl_request" in payload:  # kagent's main branch: its executor puts the response there
        approval = {"id": "confirm-1", "approved": True}
        payload["hitl_response"] = {"type": "tool_approval_response", "approvals": [approval]}
    events = await talk.turn(decision(asked, payload=payload), "end")
    first, second = server.log()["requests"]
    assert second["task"] == first["task"]
    assert second["context"] == first["context"]
    assert "approve" in "".join(second["data"])
    assert any("thank you" in text for text in results(events))


@pytest.mark.on_kagent
@pytest.mark.needs("kagent's tool")
async def test_a_sub_agents_question_is_not_answered_by_a_changed_peer(
    peers, start_server, conversation, runtime
):
    server, other = start_server(), start_server()
    peers.write(peer("weather", server))
    talk = conversation()
    asked = await talk.turn("go", call(NAME, "approve delete_file"))
    peers.write(peer("weather", other))
    events = await talk.turn(decision(asked), "end")
    assert "approval does not hold" in results(events)[0]
    assert other.log()["requests"] == []
