"""Answers as servers send them that bend the rules of HTTP, SSE, JSON-RPC and A2A: read, or explained."""

import pytest
from harness import peer
from rawkit import DONE, SUBMITTED, WAYS, WORKING, artifact, status, text
from scripted import call, results, texts

NAME = "team__NS__weather"
STEPS = [
    {"comment": "hello"},
    SUBMITTED,
    WORKING,
    {"comment": "still here"},
    artifact("a", text("It is\n\n21 °C, ")),
    {"raw": "\n\n"},
    artifact("a", text('said "no one" \\ \u2028.'), append=True),
    DONE,
]
READ = 'It is\n\n21 °C, said "no one" \\ \n.'
BENT = {
    "as it should be": {},
    "CRLF": {"eol": "\r\n"},
    "CR": {"eol": "\r"},
    "many data lines": {"lines": 1},
    "many data lines, CRLF": {"lines": 1, "eol": "\r\n"},
    "gzip": {"gzip": 1},
    "charset": {"type": "text/event-stream; charset=utf-8"},
    "type in capitals": {"type": "Text/Event-Stream"},
    "another type": {"type": "text/plain"},
    "json in place of a stream": {"json": 1},
    "json over many lines": {"json": 1, "lines": 1},
    "json of another type": {"json": 1, "type": "text/plain"},
    "json, gzip": {"json": 1, "gzip": 1},
    "json, another charset": {"json": 1, "type": "application/json; charset=utf-16"},
    "another charset": {"type": "text/event-stream; charset=latin-1"},
}
"""How the answer is bent, by name; see `raw_peer`."""


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_answer_is_read_however_it_is_sent(peers, raw, conversation, way, streaming):
    raw.config()
    raw.scripts({f"bent: {name}": {"do": STEPS, "reply": how} for name, how in BENT.items()})
    peers.write(peer("weather", raw, interfaces=[raw.way(*way, streaming=streaming)]))
    events = await conversation().turn("x", *(call(NAME, f"bent: {name}") for name in BENT), "end")
    found = dict(zip(BENT, results(events), strict=True))
    assert {name: one for name, one in found.items() if one != READ} == {}


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_address_that_redirects_to_itself_with_a_slash(peers, raw, conversation, streaming):
    raw.config()
    raw.script("slash", STEPS)
    way = raw.way("JSONRPC", "0.3", streaming=streaming, url=f"{raw.url}/slash")
    peers.write(peer("weather", raw, interfaces=[way]))
    assert results(await conversation().turn("x", call(NAME, "slash"))) == [READ]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_tenant_of_an_interface_is_sent_with_each_call_where_the_protocol_has_it(
    peers, raw, conversation, way
):
    raw.config()
    raw.script("tenant", [SUBMITTED, {"cut": 1}, {"sleep": 0.2}, *STEPS])
    before = len(raw.log())
    peers.write(peer("weather", raw, interfaces=[raw.way(*way, tenant="team/weather")]))
    assert results(await conversation().turn("x", call(NAME, "tenant"))) == [READ]
    calls = [(entry["call"], entry["tenant"]) for entry in raw.log()[before:]]
    assert {tenant for _, tenant in calls} == {"team/weather" if way[1] == "1.0" else ""}
    assert len(calls) > 1


REFUSED = {
    "rpc error": {"do": [{"error": {"name": "invalid-params", "message": "say please"}}]},
    "error in the stream": {"do": [SUBMITTED, {"error": {"message": "say please"}}]},
    "rpc error under 400": {
        "do": [],
        "reply": {
            "status": 400,
            "body": {"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "say please"}},
        },
    },
    "401": {"do": [], "reply": {"status": 401, "body": "no"}},
    "403": {"do": [], "reply": {"status": 403, "body": "no"}},
    "429": {"do": [], "reply": {"status": 429, "body": "no"}},
    "500": {"do": [], "reply": {"status": 500, "body": "no"}},
    "page": {"do": [], "reply": {"body": "<html>Log in</html>", "type": "text/html"}},
    "nothing": {"do": [], "reply": {"body": ""}},
    "no json": {"do": [], "reply": {"body": "{]"}},
    "array": {"do": [], "reply": {"body": [1]}},
    "null": {"do": [], "reply": {"body": "null"}},
    "no result": {"do": [], "reply": {"body": {"jsonrpc": "2.0", "id": "1"}}},
    "result of no kind": {"do": [], "reply": {"body": {"jsonrpc": "2.0", "id": "1", "result": {}}}},
    "empty stream": {"do": []},
    "dropped": {"do": [], "reply": {"drop": 1}},
    "half an event": {"do": [{**SUBMITTED, "half": 1}, {"hang": 1}]},
    "elsewhere": {
        "do": [],
        "reply": {"status": 307, "headers": {"location": "http://127.0.0.2:9/"}},
    },
}
"""Answers that are none."""
SAID = {
    "rpc error": "say please",
    "error in the stream": "say please",
    "rpc error under 400": "say please",
    "elsewhere": "another origin",
    **{status: status for status in ("401", "403", "429", "500")},
}


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_broken_answer_is_explained_and_the_turn_continues(
    peers, raw, conversation, way, streaming
):
    raw.config()
    # Without a stream, an error that comes later is the failure of the task.
    names = [
        name
        for name in REFUSED
        if streaming or name not in ("error in the stream", "empty stream", "half an event")
    ]
    said = dict(SAID)
    if way == ("HTTP+JSON", "0.3"):
        del said["error in the stream"]  # it has no form for it
    if way[0] == "HTTP+JSON":
        names = [name for name in names if "rpc error" not in name]
    raw.scripts({f"refused: {name}": REFUSED[name] for name in names})
    peers.write(peer("weather", raw, interfaces=[raw.way(*way, streaming=streaming)], timeout=20))
    asked = [call(NAME, f"refused: {name}") for name in names]
    events = await conversation().turn("x", *asked, "end")
    found = dict(zip(names, results(events), strict=True))
    assert texts(events)[-1] == "end"
    wrong = {
        name: one
        for name, one in found.items()
        if not one.startswith(f"Agent {NAME} gave no answer: ") or said.get(name, "") not in one
    }
    assert wrong == {}


async def test_malformed_text_does_not_end_the_turn(peers, raw, conversation):
    raw.config()
    odd = "\ufffd\ud83d".encode("utf-8", "surrogatepass").decode("latin-1")
    raw.script("odd", [SUBMITTED, artifact("a", text(odd, "\x00\x07fine")), status("completed")])
    peers.write(peer("weather", raw, interfaces=[raw.way(*WAYS[0])]))
    (result,) = results(await conversation().turn("x", call(NAME, "odd")))
    assert "fine" in result
    assert "\x00" not in result
