"""Tasks that outlive their connections: each is answered whole, within the call's own time.

`HOTPEERS_LONG_TASKS=1` runs the ones of 90 s as well.
"""

import asyncio
import os
import time
from typing import Any

import pytest
from harness import peer
from rawkit import DONE, SUBMITTED, WAYS, RawPeer, Steps, artifact, status, text
from scripted import call, results, texts

from kit.waiting import until_async

LONG = pytest.mark.skipif(not os.environ.get("HOTPEERS_LONG_TASKS"), reason="HOTPEERS_LONG_TASKS=1")
TIMES = [(6.0, 0.5), pytest.param(90.0, 10.0, marks=LONG)]
"""How long a task takes, and how often its connection is cut; in seconds."""
MODES = ["new", "snapshot", "none"]
"""What a peer does when it is subscribed to anew; see `raw_peer.Config`."""


def words(steps: int) -> str:
    """All words of a task."""
    return "".join(f"word {number} " for number in range(steps))


def long_task(seconds: float, every: float, *between: dict[str, Any]) -> Steps:
    """A word each `every` seconds, followed by what is `between`."""
    spoken: Steps = []
    for number in range(round(seconds / every)):
        chunk = artifact("a1", text(f"word {number} "), append=number > 0)
        spoken += [{"sleep": every / 2}, chunk, *between, {"sleep": every / 2}]
    return [SUBMITTED, status("working"), *spoken, DONE]


def entry(at: int, server: RawPeer, way: tuple[str, str], *, streaming: bool, **more: Any) -> Any:
    """A peer of the file, and the name of its tool."""
    found = peer(f"p{at}", server, interfaces=[server.way(*way, streaming=streaming)], **more)
    return found, f"team__NS__p{at}"


async def asked(talk: Any, names: list[str], request: str) -> tuple[dict[str, str], float]:
    """The answers of all peers, called in one step, and the duration in seconds."""
    began = time.monotonic()
    step = [(name, {"request": request}) for name in names]
    events = await talk.turn("go", step, "end")
    assert texts(events)[-1] == "end", "the turn goes on"
    found = {
        response.name: str(response.response.get("result"))
        for event in events
        for response in event.get_function_responses()
    }
    return found, time.monotonic() - began


def note(record_property: Any, what: str, seconds: float, took: float) -> None:
    record_property(what, round(took, 2))
    # A look each 5 s at the latest; the rest is for a machine that others use.
    assert took < 1.2 * seconds + 8, f"{what}: {took:.1f} s for a task of {seconds} s"


@pytest.mark.parametrize(("seconds", "every"), TIMES)
async def test_task_with_a_repeatedly_cut_stream_is_answered_completely(
    peers, start_raw, conversation, record_property, seconds, every
):
    """Over each binding, for each behaviour of the peer on a new subscription."""
    listed, servers = [], []
    for mode in MODES:
        servers.append(server := start_raw())
        server.config(resubscribe=mode)
        server.script("long", long_task(seconds, every, {"cut": 1}))
        listed += [(server, way) for way in WAYS]
    found = [entry(at, *one, streaming=True, timeout=300) for at, one in enumerate(listed)]
    peers.write(*(one for one, _ in found))
    await asked(conversation(), [found[0][1]], "warm-up")  # the first call loads the library
    answers, took = await asked(conversation(), [name for _, name in found], "long")
    assert set(answers.values()) == {words(round(seconds / every))}
    note(record_property, "cut", seconds, took)
    for server in servers:
        assert len(server.log(text="long")) == len(WAYS), "a message is sent once"


@pytest.mark.parametrize(("seconds", "every"), TIMES)
async def test_task_that_can_only_be_polled_is_answered_whole(
    peers, start_raw, conversation, record_property, seconds, every
):
    """A peer without streams, and one whose stream ends at once; neither can be subscribed to."""
    blocking, ending = start_raw(), start_raw()
    blocking.config(streaming=False)
    ending.config(resubscribe="none")
    blocking.script("long", long_task(seconds, every), at_once=True)
    first, *rest = long_task(seconds, every)
    ending.script("long", [first, {"end": 1}, *rest])
    listed = [(blocking, way, False) for way in WAYS] + [(ending, way, True) for way in WAYS]
    # A peer that claims to stream, but does not.
    listed.append((blocking, WAYS[0], True))
    found = [
        entry(at, server, way, streaming=streaming, timeout=300)
        for at, (server, way, streaming) in enumerate(listed)
    ]
    peers.write(*(one for one, _ in found))
    await asked(conversation(), [found[0][1]], "warm-up")  # the first call loads the library
    answers, took = await asked(conversation(), [name for _, name in found], "long")
    assert set(answers.values()) == {words(round(seconds / every))}
    note(record_property, "polled", seconds, took)
    looks = len([one for one in blocking.log() if one["call"] == "get"]) / (len(WAYS) + 1)
    record_property("looks", looks)
    assert looks <= 8 + seconds / 5, "it is asked less and less often"


async def test_polled_task_may_ask_back_and_fail(peers, start_raw, conversation):
    server = start_raw()
    server.config(streaming=False)
    wait = [SUBMITTED, {"sleep": 0.5}]
    flights = artifact("a1", text("I found 3 flights."))
    server.script("which", [*wait, flights, status("input-required", "Which?")], at_once=True)
    server.script("this", [status("working"), {"sleep": 0.5}, DONE], at_once=True)
    server.script("fail", [*wait, flights, status("failed", "No more seats.")], at_once=True)
    one, name = entry(0, server, WAYS[-1], streaming=False)
    peers.write(one)
    talk = conversation()
    events = await talk.turn("go", call(name, "which"), call(name, "this"), call(name, "fail"))
    asking, answered, failed = results(events)
    assert asking.index("Which?") < asking.index("Partial") < asking.index("3 flights")
    assert "3 flights" in answered
    assert failed.index("No more seats.") < failed.index("Partial") < failed.index("3 flights")
    which, this, fail = server.log(call="send")
    assert this["taskId"] == next(iter(server.log(call="get")))["taskId"]
    assert (which["taskId"], fail["taskId"]) == ("", "")


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_peer_that_listens_only_after_2_s_is_reached(
    peers, start_raw, conversation, streaming
):
    """Nothing was sent yet: an Agent is Ready before its Service leads to it."""
    slow = [(start_raw("--delay", "2"), way) for way in WAYS]
    found = [entry(at, *one, streaming=streaming) for at, one in enumerate(slow)]
    peers.write(*(one for one, _ in found))
    answers, took = await asked(conversation(), [name for _, name in found], "anything")
    assert set(answers.values()) == {"no such script"}
    assert took < 8
    for server, _ in slow:
        assert len(server.log()) == 1


async def test_message_that_may_have_arrived_is_not_retried(peers, start_raw, conversation):
    server = start_raw()
    server.script("drop", [], reply={"drop": 1})
    found = [entry(at, server, way, streaming=True) for at, way in enumerate(WAYS)]
    peers.write(*(one for one, _ in found))
    answers, _ = await asked(conversation(), [name for _, name in found], "drop")
    assert all("gave no answer: the connection was lost" in one for one in answers.values())
    assert len(server.log()) == len(WAYS)


BUSY = {
    "code": -32004,
    "message": "input was not accepted; retry after the session becomes available",
    "data": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "UNSUPPORTED_OPERATION",
            "domain": "a2a-protocol.org",
            "metadata": {"reason": "KAGENT_SEND_NOT_ACCEPTED", "retryAfterMs": "100"},
        }
    ],
}
"""How kagent 1.x says that a message may be sent again."""


@pytest.mark.skipif(("JSONRPC", "1.0") not in WAYS, reason="kagent 1.x speaks A2A 1.x alone")
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_message_that_the_peer_did_not_accept_is_retried(
    peers, start_raw, conversation, streaming
):
    server = start_raw()
    busy = [{"do": [{"error": BUSY}]}] * 3
    server.script("hi", [SUBMITTED, artifact("a1", text("hello")), DONE], before=busy)
    one, name = entry(0, server, ("JSONRPC", "1.0"), streaming=streaming)
    peers.write(one)
    events = await conversation().turn("go", call(name, "hi"))
    assert results(events) == ["hello"]
    sent = server.log()
    assert [one["call"] for one in sent] == ["stream" if streaming else "send"] * 4
    assert len({str(one["body"]["message"]["messageId"]) for one in sent}) == 1


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_http_refusal_with_a_time_is_retried_then(peers, start_raw, conversation, streaming):
    servers = [start_raw() for _ in WAYS]
    later = {"status": 503, "body": "later", "headers": {"Retry-After": "1"}}
    for server in servers:
        before = [{"do": [], "reply": later}]
        server.script("hi", [SUBMITTED, artifact("a1", text("hello")), DONE], before=before)
    found = [
        entry(at, server, way, streaming=streaming)
        for at, (server, way) in enumerate(zip(servers, WAYS, strict=True))
    ]
    peers.write(*(one for one, _ in found))
    answers, took = await asked(conversation(), [name for _, name in found], "hi")
    assert set(answers.values()) == {"hello"}
    assert took >= 1
    assert [len(server.log()) for server in servers] == [2] * len(WAYS)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_task_that_takes_longer_than_the_call_may_is_cancelled(
    peers, start_raw, conversation, way
):
    server = start_raw()
    server.script("long", long_task(60, 0.5, {"cut": 1}))
    one, name = entry(0, server, way, streaming=True, timeout=2)
    peers.write(one)
    answers, took = await asked(conversation(), [name], "long")
    assert "did not answer within 2 s" in answers[name]
    assert answers[name].index("Partial") < answers[name].index("word 0 word 1")
    # The task itself takes 30 s.
    assert took < 15
    await until_async("the cancellation", lambda: server.log(call="cancel"))


async def test_task_lost_by_its_peer_is_a_failed_call_with_its_partial_answer(
    peers, start_raw, conversation
):
    server = start_raw()
    server.config(resubscribe="none")
    server.script("long", long_task(60, 0.5, {"cut": 1}))
    found = [entry(at, server, way, streaming=True) for at, way in enumerate(WAYS)]
    peers.write(*(one for one, _ in found))
    async with asyncio.TaskGroup() as group:
        turn = group.create_task(asked(conversation(), [name for _, name in found], "long"))
        await until_async("the first looks", lambda: len(server.log(call="get")) >= len(WAYS))
        server.forget()
    answers, took = turn.result()
    for answer in answers.values():
        assert "gave no answer" in answer
        assert answer.index("Partial") < answer.index("word 0")
    assert took < 20


async def test_reply_of_a_peer_without_tasks_warns_of_missing_parts(peers, start_raw, conversation):
    server = start_raw()
    server.config(resubscribe="none", gets=False)
    over = [SUBMITTED, artifact("a1", text("All of it.")), DONE, {"cut": 1}]
    server.script("over", over)
    server.script("cut", [SUBMITTED, artifact("a1", text("Half")), {"cut": 1}, {"hang": 1}])
    found = [entry(at, server, way, streaming=True) for at, way in enumerate(WAYS)]
    peers.write(*(one for one, _ in found))
    names = [name for _, name in found]
    talk = conversation()
    answers, _ = await asked(talk, names, "over")
    assert all(one.startswith("All of it.") for one in answers.values())
    answers, _ = await asked(talk, names, "cut")
    for answer in answers.values():
        assert "gave no answer" in answer
        assert answer.index("Partial") < answer.index("Half")
