"""One thread with a peer: its own contextId from its first answer on, whatever happens in between."""

import uuid

import pytest
from harness import peer
from rawkit import DONE, SUBMITTED, WAYS, artifact, status, text
from scripted import call, results

NAME = "team__NS__weather"
KEY = f"hotpeers.dev/peer/{NAME}"
ANSWER = [SUBMITTED, artifact("a", text("Yes.")), DONE]


@pytest.fixture
def weather(peers, start_raw):
    """A raw peer of its own that answers, listed for the first way of this environment."""

    def start(contexts="echo", way=WAYS[0], **more):
        one = start_raw()
        one.config(contexts=contexts, **more)
        one.scripts({f"hi {i}": {"do": ANSWER} for i in range(6)})
        one.script("direct", [{"message": text("Yes.")}])
        one.script("ask", [SUBMITTED, status("input-required", "Which?")])
        peers.write(peer("weather", one, interfaces=[one.way(*way)]))
        return one

    return start


def contexts(server):
    return [entry["contextId"] for entry in server.log()]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("policy", ["echo", "invent", "refuse"])
async def test_first_message_names_no_context_and_later_ones_the_peers_own(
    weather, conversation, policy, way
):
    server = weather(policy, way)
    talk = conversation()
    events = await talk.turn("x", call(NAME, "direct"), call(NAME, "hi 1"))
    events += await talk.turn("y", call(NAME, "ask"), call(NAME, "hi 2"), call(NAME, "hi 3"))
    assert [one for one in results(events) if "Which?" not in one] == ["Yes."] * 4
    first, *later = contexts(server)
    assert first == ""
    assert later[0].startswith("context-")
    assert len(set(later)) == 1
    assert [bool(entry["taskId"]) for entry in server.log()] == [False, False, False, True, False]


@pytest.mark.parametrize("policy", ["echo", "refuse"])
async def test_context_and_open_question_survive_a_restart_of_the_agent(
    weather, conversation, policy
):
    server = weather(policy)
    before = conversation()
    await before.turn("x", call(NAME, "hi 1"), call(NAME, "ask"))
    after = conversation(sessions=before.sessions, session_id=before.session_id)
    events = await after.turn("y", call(NAME, "hi 2"), call(NAME, "hi 3"))
    assert results(events) == ["Yes."] * 2
    _, asked, answered, last = server.log()
    assert asked["contextId"] == answered["contextId"] == last["contextId"] != ""
    assert answered["taskId"] != ""
    assert last["taskId"] == ""


async def test_sessions_and_peers_have_contexts_of_their_own(weather, conversation, peers):
    server = weather()
    one, two = conversation(), conversation()
    for talk in (one, two, one, two):
        await talk.turn("x", call(NAME, "hi 1"))
    first, second, third, fourth = contexts(server)
    assert (first, second) == ("", "")
    assert third != fourth
    peers.write(peer("weather", server, uid="another", interfaces=[server.way(*WAYS[0])]))
    await one.turn("x", call(NAME, "hi 2"))
    assert contexts(server)[-1] == "", (
        "a peer of another uid knows nothing of the old one's context"
    )


def derived(talk):
    """The contextId that hotpeers derived before it kept the peer's own."""
    space = uuid.uuid5(uuid.NAMESPACE_URL, "https://hotpeers.dev/context")
    parts = ("app", "user", talk.session_id, "team", "weather", "uid-weather")
    return str(uuid.uuid5(space, "\0".join(parts)))


async def test_session_of_an_older_hotpeers_goes_on_with_the_derived_context(weather, conversation):
    server = weather()
    talk = conversation(state={KEY: {"uid": "uid-weather"}})
    await talk.turn("x", call(NAME, "hi 1"), call(NAME, "hi 2"))
    assert contexts(server) == [derived(talk)] * 2


async def test_open_question_of_an_older_hotpeers_is_answered_in_its_task(weather, conversation):
    server = weather()
    talk = conversation()
    # The question is asked in the derived context, as an older hotpeers did it.
    state = {KEY: {"uid": "uid-weather"}}
    talk.initial_state = state
    await talk.turn("x", call(NAME, "ask"))
    task = (await talk.state())[KEY]["taskId"]
    old = conversation(state={KEY: {"uid": "uid-weather", "taskId": task}})
    await old.turn("x", call(NAME, "hi 1"))
    assert server.log()[-1]["taskId"] == task


async def test_older_session_starts_anew_where_the_peer_refuses_the_derived_context(
    weather, conversation
):
    server = weather("refuse")
    talk = conversation(state={KEY: {"uid": "uid-weather"}})
    events = await talk.turn("x", call(NAME, "hi 1"), call(NAME, "hi 2"))
    assert "Yes." in results(events)[0]
    assert "new conversation" in results(events)[0], "the model knows that the peer forgot"
    assert results(events)[1] == "Yes."
    sent = contexts(server)
    assert sent[0] == derived(talk)
    assert sent[1] == ""
    assert sent[2].startswith("context-")


REFUSALS = [
    {"name": "invalid-params", "message": "unknown contextId"},
    {"name": "invalid-params", "message": "Context not found: abc"},
    {"name": "task-not-found", "message": "context abc does not exist"},
    {"name": "internal", "message": "no session for context abc"},
    {"name": "task-not-found", "message": "Session not found"},
    {"name": "invalid-params", "message": "unknown session abc"},
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one["message"])
async def test_request_is_sent_anew_where_the_peer_forgot_the_context(
    weather, conversation, refusal
):
    server = weather("refuse", refusal=refusal)
    talk = conversation()
    await talk.turn("x", call(NAME, "hi 1"))
    server.forget()
    events = await talk.turn("y", call(NAME, "hi 2"), call(NAME, "hi 3"))
    assert "Yes." in results(events)[0]
    assert "new conversation" in results(events)[0]
    assert results(events)[1] == "Yes."
    old, new, last = contexts(server)[1:]
    assert old.startswith("context-")
    assert new == ""
    assert last.startswith("context-")
    assert last != old


async def test_answer_to_a_question_is_heard_where_the_task_is_gone(weather, conversation):
    server = weather("refuse")
    talk = conversation()
    await talk.turn("x", call(NAME, "ask"))
    server.forget()
    events = await talk.turn("y", call(NAME, "hi 1"))
    assert "Yes." in results(events)[0]


async def test_other_refusals_are_not_taken_for_a_lost_context(weather, conversation):
    server = weather()
    server.script("no", [{"error": {"name": "invalid-params", "message": "say please"}}])
    talk = conversation()
    events = await talk.turn("x", call(NAME, "hi 1"), call(NAME, "no"), call(NAME, "hi 2"))
    assert "say please" in results(events)[1]
    assert len(server.log()) == 3
    assert contexts(server)[2] == contexts(server)[1] != ""
