"""A conversation keeps the A2A context that its peer names: across turns, runners and lost contexts."""

import json
import subprocess
import sys
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from harness import peer
from rawkit import DONE, SUBMITTED, WAYS, artifact, status, text
from scripted import call, results

NAME = "team__NS__weather"
KEY = f"hotpeers.dev/peer/{NAME}"
NEW = "no longer knows what was said to it before: this is a new conversation"

REFUSALS = {
    "invalid": {"name": "invalid-params", "message": "unknown contextId"},
    "not found": {"code": -32000, "message": "Context not found"},
    "session": {"name": "task-not-found", "message": "Session not found"},
    "session by name": {"name": "invalid-params", "message": "unknown session abc"},
    # kagent 1.x: no UUID, a session of another agent, and one that is gone or another user's.
    "by name": {"name": "internal", "message": "Context context-1 does not exist"},
    "kagent no id": {"code": -32600, "message": "invalid context ID"},
    "kagent other": {"code": -31403, "message": "context does not belong to this Agent"},
    "kagent gone": {"code": -31403, "message": "not authorized"},
}
"""How servers say that they do not know a context: there is no code for it."""

OTHERS = [
    "out of order",
    "context deadline exceeded",
    "context canceled",
    "This model's maximum context length is 8192 tokens",
]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    return request.param


@pytest.fixture
def agent(peers, raw, way):
    """A raw peer that is offered to the model, and was never asked."""
    server = raw
    server.reset()
    server.script("hi", [SUBMITTED, artifact("a1", text("hello")), DONE])
    server.script("direct", [{"message": text("hello")}])
    server.script("ask", [SUBMITTED, status("input-required", "which?")])
    peers.write(peer("weather", server, interfaces=[server.way(*way)]))
    return server


def contexts(server: Any) -> list[str]:
    """The contextId of each message, in their order."""
    return [one["contextId"] for one in server.log() if one["call"] in ("send", "stream")]


async def kept(talk: Any) -> str:
    return str((await talk.state())[KEY]["contextId"])


@pytest.mark.parametrize("policy", ["echo", "invent", "refuse"])
async def test_first_message_has_no_context_and_the_next_the_peers_own(agent, conversation, policy):
    agent.config(contexts=policy)
    talk = conversation()
    await talk.turn("go", call(NAME, "hi"), call(NAME, "direct"))
    await talk.turn("more", call(NAME, "hi"))
    first, *others = contexts(agent)
    assert first == ""
    assert others == [await kept(talk)] * 2
    assert others[0].startswith("context-")


async def test_context_that_the_peer_replaces_is_followed(agent, conversation):
    talk = conversation()
    await talk.turn("go", call(NAME, "hi"))
    agent.forget()
    agent.config(contexts="invent")
    await talk.turn("go", call(NAME, "hi"))
    await talk.turn("go", call(NAME, "hi"))
    first, second, third = contexts(agent)
    assert first == ""
    assert second != third
    assert third == await kept(talk)


async def test_sessions_have_contexts_of_their_own(agent, conversation):
    one, two = conversation(), conversation()
    for talk in (one, two, one, two):
        await talk.turn("go", call(NAME, "hi"))
    assert contexts(agent) == ["", "", await kept(one), await kept(two)]
    assert await kept(one) != await kept(two)


async def test_context_and_open_question_survive_a_new_runner(agent, conversation):
    agent.config(contexts="refuse")
    before = conversation()
    await before.turn("go", call(NAME, "hi"), call(NAME, "ask"))
    after = conversation(sessions=before.sessions, session_id=before.session_id)
    events = await after.turn("go", call(NAME, "hi"))
    assert results(events) == ["hello"]
    _, asked, answered = agent.log()
    assert asked["contextId"] == answered["contextId"] == await kept(after)
    assert answered["taskId"] == results_task(agent)
    await after.turn("go", call(NAME, "hi"))
    assert agent.log()[-1]["taskId"] == "", "the question was answered"


def results_task(server: Any) -> str:
    """The task of the one message that continued a task."""
    (found,) = [one["taskId"] for one in server.log() if one["taskId"]]
    return str(found)


def test_context_and_open_question_survive_the_end_of_the_process(raw, runtime, tmp_path):
    if find_spec("google.adk.sessions.sqlite_session_service") is None:
        pytest.skip("this google-adk keeps no sessions in a file by itself")
    raw.reset()
    raw.config(contexts="refuse")
    raw.script("ask", [SUBMITTED, status("input-required", "which?")])
    raw.script("this", [artifact("a1", text("thanks")), DONE])
    listed = json.dumps([peer("weather", raw, interfaces=[raw.way(*WAYS[-1])])])
    program = Path(__file__).with_name("restarted_agent.py")
    read = []
    for words in ("ask", "this", "ask"):
        asked = [runtime, listed, str(tmp_path / "sessions.db"), "s-1", words]
        done = subprocess.run(
            [sys.executable, str(program), *asked],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        read += json.loads(done.stdout.splitlines()[-1])
    assert ["which?" in one for one in read] == [True, False, True], read
    first, second, third = raw.log()
    assert first["contextId"] == ""
    assert second["contextId"] == third["contextId"] != ""
    assert second["taskId"] == results_task(raw)


async def test_session_of_an_older_version_keeps_its_derived_context(agent, conversation):
    """Hotpeers of November 2026 stored the uid of the peer, and derived the id for each call."""
    talk = conversation(state={KEY: {"uid": "uid-weather"}})
    await talk.turn("go", call(NAME, "hi"))
    await talk.turn("go", call(NAME, "hi"))
    space = uuid.uuid5(uuid.NAMESPACE_URL, "https://hotpeers.dev/context")
    parts = ("app", "user", talk.session_id, "team", "weather", "uid-weather")
    derived = str(uuid.uuid5(space, "\0".join(parts)))
    assert contexts(agent) == [derived, derived]
    assert await kept(talk) == derived


async def test_derived_context_that_the_peer_refuses_is_replaced(agent, conversation):
    agent.config(contexts="refuse")
    talk = conversation(state={KEY: {"uid": "uid-weather"}})
    events = await talk.turn("go", call(NAME, "hi"), call(NAME, "hi"))
    derived, none, own = contexts(agent)
    assert derived
    assert none == ""
    assert own == await kept(talk)
    assert "hello" in results(events)[0]
    assert results(events)[1] == "hello"


async def test_recreated_peer_starts_a_new_context(peers, agent, conversation, way):
    talk = conversation()
    await talk.turn("go", call(NAME, "hi"))
    peers.write(peer("weather", agent, interfaces=[agent.way(*way)], uid="uid-other"))
    await talk.turn("go", call(NAME, "hi"))
    assert contexts(agent) == ["", ""]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_message_is_sent_again_when_the_peer_lost_the_context(agent, conversation, refusal):
    """The model reads that the conversation with the peer is new, and the answer."""
    agent.config(contexts="refuse", refusal=REFUSALS[refusal])
    talk = conversation()
    await talk.turn("go", call(NAME, "hi"))
    old = await kept(talk)
    agent.forget()
    events = await talk.turn("go", call(NAME, "hi"), call(NAME, "hi"))
    lost, found = results(events)
    assert NEW in lost, lost
    assert lost.endswith("hello")
    assert found == "hello"
    assert contexts(agent) == ["", old, "", await kept(talk)]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_refused_first_message_is_not_retried(agent, conversation, refusal):
    agent.script("no", [{"error": REFUSALS[refusal]}])
    events = await conversation().turn("go", call(NAME, "no"), "end")
    assert "gave no answer" in results(events)[0]
    assert len(agent.log()) == 1


@pytest.mark.parametrize("said", OTHERS)
async def test_other_refusals_keep_the_context(agent, conversation, said):
    """The message may have been acted on: it is not sent again."""
    agent.script("no", [{"error": {"name": "internal", "message": said}}])
    talk = conversation()
    events = await talk.turn("go", call(NAME, "hi"), call(NAME, "no"), call(NAME, "hi"))
    assert said in results(events)[1]
    own = await kept(talk)
    assert contexts(agent) == ["", own, own]


async def test_question_with_a_lost_context_is_asked_again(agent, conversation):
    agent.config(contexts="refuse")
    talk = conversation()
    await talk.turn("go", call(NAME, "ask"))
    agent.forget()
    events = await talk.turn("go", call(NAME, "hi"))
    assert "hello" in results(events)[0]
