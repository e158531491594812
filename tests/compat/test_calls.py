"""One call of a peer: on any failure, the model gets an explanation and the turn continues."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from harness import lacks, peer
from scripted import call, results, texts

from hotpeers_shim import live
from kit.waiting import until_async

NAME = "team__NS__weather"


@pytest.mark.core
@pytest.mark.parametrize("flags", [(), ("--no-streaming",)], ids=["streaming", "blocking"])
async def test_answers_failures_and_messages_reach_the_model(
    peers, start_server, conversation, flags
):
    peers.write(peer("weather", start_server(*flags)))
    talk = conversation()
    events = await talk.turn(
        "go",
        call(NAME, "echo hi"),
        call(NAME, "fail"),
        call(NAME, "direct word"),
        call(NAME, "refuse"),
        "end",
    )
    answers = results(events)
    assert answers[0].startswith("hi [context")
    assert "the pump is broken" in answers[1]
    assert "word" in answers[2]
    assert NAME in answers[3]
    assert "refuses on principle" in answers[3]
    assert texts(events)[-1] == "end"


async def test_an_unreachable_peer_is_named_to_the_model(peers, conversation):
    peers.write(peer("weather", "http://127.0.0.1:9"))
    events = await conversation().turn("go", call(NAME, "echo hi"), "end")
    assert results(events)[0].startswith(
        f"Agent {NAME} gave no answer: no connection could be made: Connection refused"
    )
    assert texts(events)[-1] == "end"


async def test_peer_that_starts_later_is_reached(peers, start_server, conversation):
    talk = conversation()
    server = start_server()
    port = server.url.rpartition(":")[2]
    peers.write(peer("weather", server))
    server.stop()
    first = await talk.turn("go", call(NAME, "echo hi"))
    assert "no connection could be made" in results(first)[0]
    start_server("--port", port)
    second = await talk.turn("go", call(NAME, "echo hi"))
    assert results(second)[0].startswith("hi [context")


async def test_a_card_of_another_origin_is_refused(peers, start_server, conversation):
    other = start_server()
    server = start_server("--card-url", other.url)
    peers.write(peer("weather", server))
    events = await conversation().turn("go", call(NAME, "echo secret"))
    assert "another origin" in results(events)[0]
    assert other.log()["requests"] == []
    assert server.log()["requests"] == []


async def test_a_call_that_takes_too_long_is_given_up_and_cancelled(
    peers, start_server, conversation
):
    server = start_server()
    peers.write(peer("weather", server, timeout=3))
    events = await conversation().turn("go", call(NAME, "slow 30"), "end")
    assert "did not answer within 3 s" in results(events)[0]
    assert texts(events)[-1] == "end"
    task = server.log()["requests"][0]["task"]
    await until_async("the cancellation", lambda: server.log()["cancelled"] == [task])


@pytest.fixture
def impatient(monkeypatch):
    """The settings are read once a process, from HOTPEERS_IDLE_TIMEOUT; here each test has its own."""
    state = live.get()
    monkeypatch.setattr(state, "settings", replace(state.settings, idle_timeout=2.0))


async def test_a_silent_stream_is_given_up(peers, start_server, conversation, impatient):
    server = start_server()
    peers.write(peer("weather", server))
    events = await conversation().turn("go", call(NAME, "silent 30"), "end")
    assert "silent for 2 s" in results(events)[0]
    assert texts(events)[-1] == "end"


async def test_a_peer_that_works_longer_than_the_idle_timeout_is_waited_for(
    peers, start_server, conversation, impatient
):
    peers.write(peer("weather", start_server()))
    events = await conversation().turn("go", call(NAME, "slow 2.5"))
    assert results(events)[0].startswith("2.5 [context")


@pytest.mark.core
async def test_a_cancelled_turn_cancels_the_peers_task(
    peers, start_server, conversation, monkeypatch
):
    from hotpeers_shim.calls.call import Call  # only now: it imports the framework

    made = []
    begin = Call.__init__

    def noted(self, *args, **kwargs):
        made.append(self)
        begin(self, *args, **kwargs)

    monkeypatch.setattr(Call, "__init__", noted)
    server = start_server()
    peers.write(peer("weather", server))
    turn = asyncio.create_task(conversation().turn("go", call(NAME, "slow 30")))
    await until_async("the request", lambda: server.log()["requests"])
    # The stream's first event carries the task's id.
    await until_async("the task", lambda: made[0].transcript.task_id)
    turn.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await turn
    task = server.log()["requests"][0]["task"]
    await until_async("the cancellation", lambda: server.log()["cancelled"] == [task])


async def test_a_broken_stream_is_recovered_from_the_task(peers, start_server, conversation):
    server = start_server()
    peers.write(peer("weather", server))
    events = await conversation().turn("go", call(NAME, "cut here"), "end")
    assert results(events)[0].startswith("here [context")
    assert len(server.log()["requests"]) == 1


@pytest.mark.core
async def test_a_question_of_a_peer_is_resumed_in_the_same_task(peers, start_server, conversation):
    server = start_server()
    peers.write(peer("weather", server))
    talk = conversation()
    first = await talk.turn("go", call(NAME, "question"))
    assert "which town?" in results(first)[0]
    second = await talk.turn("Oslo", call(NAME, "Oslo"))
    assert "thank you for: Oslo" in results(second)[0]
    asked, answered = server.log()["requests"]
    assert answered["resumed"]
    assert answered["task"] == asked["task"]
    third = await talk.turn("more", call(NAME, "echo fresh"))
    assert results(third)[0].startswith("fresh [context")


async def test_question_with_a_lost_task_starts_a_new_task(peers, start_server, conversation):
    server = start_server()
    port = server.url.rpartition(":")[2]
    peers.write(peer("weather", server))
    talk = conversation()
    await talk.turn("go", call(NAME, "question"))
    server.stop()
    again = start_server("--port", port)
    events = await talk.turn("Oslo", call(NAME, "echo Oslo"))
    assert results(events)[0].startswith("Oslo [context")
    assert len(again.log()["requests"]) == 1


async def test_a_redefined_peer_is_called_at_its_new_address(peers, start_server, conversation):
    one, two = start_server(), start_server()
    talk = conversation()
    peers.write(peer("weather", one))
    await talk.turn("go", call(NAME, "echo a"))
    peers.write(peer("weather", two))
    await talk.turn("go", call(NAME, "echo b"))
    assert [entry["text"] for entry in one.log()["requests"]] == ["echo a"]
    assert [entry["text"] for entry in two.log()["requests"]] == ["echo b"]
    contexts = {server.log()["requests"][0]["context"] for server in (one, two)}
    assert len(contexts) == 1


async def test_kagents_headers_are_sent_only_by_kagent(peers, server, conversation, runtime):
    peers.write(peer("weather", server, userHeaders=True))
    talk = conversation()
    await talk.turn("go", call(NAME, "echo headers"))
    headers = server.requests("echo headers")[-1]["headers"]
    sent = {name: value for name, value in headers.items() if name.startswith("x-")}
    # The lineage of an agent whose name is unknown, which every runtime sends.
    assert sent.pop("x-hotpeers-lineage") == "-"
    if "kagent's tool" in lacks():
        assert sent == {}
    elif runtime == "plain":
        # In this process another test may have loaded kagent, whose tool then makes the call.
        assert sent in ({}, {"x-kagent-source": "agent"})
    elif "token" in lacks():  # kagent-adk 0.8 knows no lineage
        assert sent == {"x-user-id": "user", "x-kagent-source": "agent"}
    else:
        assert sent == {
            "x-user-id": "user",
            "x-kagent-source": "agent",
            "x-kagent-parent-context-id": talk.session_id,
            "x-kagent-root-context-id": talk.session_id,
        }


FAULTS = [RuntimeError("unheard of"), asyncio.CancelledError("of a library"), KeyError("x")]


@pytest.mark.core
@pytest.mark.parametrize("fault", FAULTS, ids=["error", "cancelled", "key"])
async def test_a_fault_of_the_shim_is_a_result_and_is_named_in_the_ack(
    peers, server, conversation, monkeypatch, fault
):
    from hotpeers_shim.adapters import asking

    async def fail(*_):
        raise fault

    peers.write(peer("weather", server))
    talk = conversation()
    with monkeypatch.context() as broken:
        broken.setattr(asking, "ask", fail)
        events = await talk.turn("go", call(NAME, "echo hi"), "end")
    assert "a fault on this side" in results(events)[0]
    assert texts(events)[-1] == "end"
    (named,) = [r for r in live.get().ack().refusals if r.reason == "ShimFault"]
    assert named.subject == NAME
    assert live.get().ack().state == "active"
    await talk.turn("go", call(NAME, "echo hi"), "end")
    assert [r for r in live.get().ack().refusals if r.reason == "ShimFault"] == []


@pytest.mark.core
async def test_the_end_of_a_turn_is_not_held_up_by_that(peers, start_server, conversation):
    server = start_server()
    peers.write(peer("weather", server))
    turn = asyncio.create_task(conversation().turn("go", call(NAME, "slow 30")))
    await until_async("the request", lambda: server.log()["requests"])
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
