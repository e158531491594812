"""Tasks that take long, on connections that do not last: each is followed to its answer, and sent once.

HOTPEERS_LONG_TASKS=1 takes 90 s for each of them, with cuts 10 s apart; else they take 6 s, with cuts
0.5 s apart.
"""

import asyncio
import os
import time

import pytest
from harness import becomes, peer
from rawkit import DONE, SUBMITTED, WAYS, WORKING, artifact, status, text
from scripted import call, results

LONG = bool(os.environ.get("HOTPEERS_LONG_TASKS"))
SECONDS, PAUSE = (90.0, 10.0) if LONG else (6.0, 0.5)
NAME = "team__NS__weather"
PIECES = int(SECONDS / PAUSE)
WHOLE = "".join(f"piece {i}, " for i in range(PIECES)) + "the end."


def pieces(*between):
    """Steps that take SECONDS, a chunk each PAUSE, and `between` after each of them."""
    steps = [SUBMITTED, WORKING]
    for i in range(PIECES):
        steps += [artifact("a", text(f"piece {i}, "), append=i > 0), *between, {"sleep": PAUSE}]
    return [*steps, artifact("a", text("the end."), append=True, last=True), DONE]


SHAPES = {
    "cut, new events": ({"resubscribe": "new"}, {"do": pieces({"cut": 1})}),
    "cut, snapshot": ({"resubscribe": "snapshot"}, {"do": pieces({"cut": 1})}),
    "cut, reset": ({}, {"do": pieces({"cut": "hard"})}),
    "cut, no resubscription": ({"resubscribe": "none"}, {"do": pieces({"cut": 1})}),
    "cut in a line": ({}, {"do": [{**s, "half": 1} if "artifact" in s else s for s in pieces()]}),
    "polled": ({"streaming": False}, {"do": pieces(), "at_once": 1}),
    "ended early": ({}, {"do": pieces({"end": 1})}),
    "json in a stream": ({}, {"do": pieces(), "at_once": 1, "reply": {"json": 1}}),
}
"""How the peer is, and what it does, by name."""


@pytest.mark.parametrize("turn", range(len(WAYS)) if LONG else [0])
async def test_long_task_is_answered_whole_and_asked_for_once(peers, start_raw, conversation, turn):
    servers, listed = {}, []
    for at, (name, (config, script)) in enumerate(SHAPES.items()):
        servers[name] = server = start_raw()
        server.config(**config)
        server.scripts({"go on": script})
        # The shapes take the ways in turns.
        way = server.way(*WAYS[(at + turn) % len(WAYS)], streaming=config.get("streaming", True))
        listed.append(peer(f"p{at}", server, interfaces=[way]))
    peers.write(*listed)
    asked = [
        conversation().turn("x", call(f"team__NS__p{at}", "go on")) for at in range(len(SHAPES))
    ]
    began = time.monotonic()
    heard = [results(events)[0] for events in await asyncio.gather(*asked)]
    assert {name: one for name, one in zip(SHAPES, heard, strict=True) if one != WHOLE} == {}
    for name, server in servers.items():
        assert len([e for e in server.log() if e["call"] in ("send", "stream")]) == 1, name
    # A task is asked for less and less often, so that its end is noticed a while after it.
    assert time.monotonic() - began < SECONDS + 12


async def test_question_that_comes_after_a_cut_is_asked_and_answered(peers, raw, conversation):
    raw.config(resubscribe="new")
    ask = [artifact("a", text("So far.")), status("input-required", "Which one?")]
    raw.script("long way", [SUBMITTED, {"cut": 1}, {"sleep": 0.3}, *ask])
    raw.script("that one", [artifact("b", text("Thank you.")), DONE])
    peers.write(peer("weather", raw, interfaces=[raw.way(*WAYS[0])]))
    events = await conversation().turn("x", call(NAME, "long way"), call(NAME, "that one"))
    asked, answered = results(events)
    assert "Which one?" in asked
    assert "So far." in asked
    assert "Thank you." in answered
    assert raw.log(text="that one")[-1]["taskId"].startswith("task-")


async def test_cut_after_the_end_of_a_task_loses_nothing(peers, raw, conversation):
    raw.config()
    raw.script("late cut", [SUBMITTED, artifact("a", text("All of it.")), DONE, {"cut": 1}])
    raw.script("no end", [SUBMITTED, artifact("a", text("All of it.")), DONE, {"hang": 1}])
    raw.script("no status", [SUBMITTED, artifact("a", text("All of it.")), {"cut": 1}, DONE])
    peers.write(peer("weather", raw, interfaces=[raw.way(*WAYS[0])]))
    asked = ("late cut", "no end", "no status")
    events = await conversation().turn("x", *(call(NAME, name) for name in asked))
    assert results(events) == ["All of it."] * 3


async def test_connection_that_is_cut_before_any_event_is_not_tried_again(peers, raw, conversation):
    raw.config()
    raw.script("dropped", [], reply={"drop": 1})
    raw.script("cut at once", [{"cut": 1}, SUBMITTED, DONE])
    peers.write(peer("weather", raw, interfaces=[raw.way(*WAYS[0])]))
    before = len(raw.log())
    events = await conversation().turn("x", call(NAME, "dropped"), call(NAME, "cut at once"))
    assert all("gave no answer" in one for one in results(events))
    # The message may have been heard: sending it again could do it twice.
    assert len(raw.log()) == before + 2


async def test_peer_that_does_not_listen_yet_is_reached_when_it_does(
    peers, start_raw, conversation
):
    late, listed = [], []
    for streaming in (True, False):
        for way in WAYS:
            late.append(server := start_raw("--delay", "2"))
            listed.append([server.way(*way, streaming=streaming)])
    late.append(start_raw("--delay", "2"))
    listed.append([])  # its card is to be read first
    many = zip(late, listed, strict=True)
    peers.write(*(peer(f"p{i}", server, interfaces=ways) for i, (server, ways) in enumerate(many)))
    asked = [conversation().turn("x", call(f"team__NS__p{i}", "unknown")) for i in range(len(late))]
    heard = [results(events) for events in await asyncio.gather(*asked)]
    assert heard == [["no such script"]] * len(late)
    for server in late:
        assert len(server.log(text="unknown")) == 1


async def test_lost_task_ends_the_call_with_what_there_was(peers, raw, conversation):
    raw.config(resubscribe="none")
    raw.script("lost", [SUBMITTED, artifact("a", text("The first half.")), {"cut": 1}, {"hang": 1}])
    peers.write(peer("weather", raw, interfaces=[raw.way(*WAYS[0])], timeout=20))
    before = len(raw.log(text="lost"))
    turn = asyncio.create_task(conversation().turn("x", call(NAME, "lost")))
    await becomes(lambda: len(raw.log(text="lost")) > before, what="the request")
    raw.forget()
    (result,) = results(await turn)
    assert "gave no answer" in result
    assert "artial" in result
    assert "The first half." in result
