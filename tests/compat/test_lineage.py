"""The lineage of calls, in an agent's process: what is sent to a peer, and which calls are refused."""

import json
from typing import Any

import pytest
from harness import peer
from rawkit import DONE, SUBMITTED, WAYS, artifact, text
from scripted import call, results

from hotpeers_shim.adapters import incoming
from hotpeers_shim.lineage import EXTENSION, HEADER, METADATA_KEY
from kit.waiting import until_async

pytestmark = pytest.mark.core
NAME = "team__NS__weather"
ME = "team/boss"
ANSWER = [SUBMITTED, artifact("a", text("sunny")), DONE]


def offer(peers, *entries, me=ME):
    peers.raw(json.dumps({**peers.document(*entries), "orchestrator": me}).encode())


def entry(raw, way=WAYS[0], **more):
    return peer("weather", raw.url, interfaces=[raw.way(*way)], userHeaders=True, **more)


def came_with(header: str) -> None:
    """From here on, this test is a request with this header."""
    incoming.note_request({"headers": [(b"x-hotpeers-lineage", header.encode())]})


def sent(raw, key) -> tuple[Any, Any, Any]:
    """The chain in the metadata, the extensions and the header of the message `key`."""
    (found,) = raw.log(text=key)
    body = found["body"]
    message = body.get("params", body).get("message") or body["request"]
    metadata = message.get("metadata") or {}
    assert set(metadata) <= {METADATA_KEY, "kagent_type"}, metadata
    return metadata.get(METADATA_KEY), message.get("extensions"), found["headers"].get(HEADER)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_lineage_is_sent_in_metadata_and_header(peers, raw, conversation, runtime, way):
    raw.config()
    offer(peers, entry(raw, way))
    came_with("team/first")
    key = raw.script(f"sent-{runtime}-{'-'.join(way)}", ANSWER)
    said = results(await conversation().turn("go", call(NAME, key)))
    assert "sunny" in said[0]
    chain = ["team/first", ME]
    assert sent(raw, key) == (chain, [EXTENSION], ",".join(chain))


async def test_agent_that_begins_a_chain_sends_its_own_name(peers, raw, conversation, runtime):
    raw.config()
    offer(peers, entry(raw))
    key = raw.script(f"first-{runtime}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    assert sent(raw, key) == ([ME], [EXTENSION], ME)


async def test_foreign_origin_gets_no_lineage(peers, raw, conversation, runtime):
    raw.config()
    offer(peers, {**entry(raw), "userHeaders": False})
    came_with("team/first")
    key = raw.script(f"foreign-{runtime}", ANSWER)
    said = results(await conversation().turn("go", call(NAME, key)))
    assert "sunny" in said[0]
    assert sent(raw, key) == (None, None, None)


async def test_agent_without_a_name_counts_in_the_chain(peers, raw, conversation, runtime):
    raw.config()
    offer(peers, entry(raw), me="")
    came_with("team/first")
    key = raw.script(f"unnamed-{runtime}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    assert sent(raw, key)[0] == ["team/first", "-"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("team/weather", "CallLoop"),
        ("team/boss,team/other", "CallLoop"),
        (",".join(f"team/a{n}" for n in range(8)), "CallTooDeep"),
    ],
    ids=["the peer waits", "this agent waits", "too deep"],
)
async def test_call_is_refused_before_anything_is_sent(
    peers, raw, conversation, runtime, header, reason
):
    raw.config()
    offer(peers, entry(raw))
    came_with(header)
    key = raw.script(f"refused-{runtime}-{header[:12]}", ANSWER)
    (said,) = results(await conversation().turn("go", call(NAME, key)))
    assert said.startswith(f"Agent {NAME} was not called, and nothing was sent: ")
    assert "Do the work yourself" in said
    assert " -> " in said
    assert raw.log(text=key) == []

    def failure():
        ack = peers.ack()
        return next((one for one in ack.failures if one.subject == NAME), None) if ack else None

    found = await until_async("the failure in the ack", failure)
    assert found.reason == reason


async def test_refused_call_keeps_the_question_of_the_peer(peers, raw, conversation, runtime):
    """The next call that is made continues the task that waits."""
    raw.config(contexts="invent")
    offer(peers, entry(raw))
    ask, refused, more = (f"{what}-{runtime}" for what in ("ask", "refused", "more"))
    waiting = {"status": "input-required", "say": text("which town?")}
    raw.script(ask, [SUBMITTED, waiting])
    raw.script(more, [artifact("a", text("thanks")), DONE])
    talk = conversation()
    assert "which town?" in results(await talk.turn("go", call(NAME, ask)))[0]
    came_with("team/weather")
    assert "was not called" in results(await talk.turn("go", call(NAME, refused)))[0]
    came_with("")
    assert "thanks" in results(await talk.turn("go", call(NAME, more)))[0]
    first, last = raw.log(text=ask), raw.log(text=more)
    assert last[0]["taskId"]
    assert last[0]["contextId"]
    assert len(first) == 1
