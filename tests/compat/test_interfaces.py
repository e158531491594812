"""The peer file says how a peer is called: the first interface that the agent's library speaks."""

from importlib import metadata

import pytest
from harness import peer
from scripted import call, results

from kit.waiting import until_async

A2A = int(metadata.version("a2a-sdk").split(".")[0])
NAME = "team__NS__weather"
SPOKEN = ["0.3", "0.2.9"] if A2A == 0 else ["0.3", "1.0", ""]
FOREIGN = {"binding": "CARRIER-PIGEON", "protocolVersion": "1.0", "url": "http://127.0.0.1:9/"}


def interface(server, binding, version, **more):
    url = {"JSONRPC": f"{server.url}/", "HTTP+JSON": f"{server.url}/rest", "GRPC": server.grpc}
    return {"url": url[binding], "binding": binding, "protocolVersion": version, **more}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("version", SPOKEN)
@pytest.mark.parametrize(
    "binding", ["JSONRPC", "HTTP+JSON", pytest.param("GRPC", marks=pytest.mark.needs("grpc"))]
)
async def test_peer_is_called_by_its_interface_without_reading_a_card(
    peers, server, conversation, binding, version, streaming
):
    before = server.log()["cards"]
    way = interface(server, binding, version, streaming=streaming)
    peers.write(peer("weather", server, interfaces=[FOREIGN, way]))
    text = f"echo hi {binding} {version} {streaming}"
    events = await conversation().turn("go", call(NAME, text), "end")
    assert results(events)[0].startswith(f"{text.removeprefix('echo ')} [context")
    assert server.log()["cards"] == before


async def test_peer_with_an_unsupported_protocol_is_refused_with_a_reason(
    peers, server, conversation
):
    version = {"protocolVersion": "1.0", "binding": "JSONRPC" if A2A == 0 else "MORSE"}
    unspoken = {"url": f"{server.url}/", **version}
    peers.write(peer("weather", server, interfaces=[unspoken]), peer("news", server))
    talk = conversation()
    await talk.turn("go", "end")
    assert talk.model.offered == [["team__NS__news"]]

    def refusals():
        ack = peers.ack()
        return ack and ack.state == "active" and {r.subject: r for r in ack.refusals}

    found = await until_async("the reason", lambda: NAME in (refusals() or {}) and refusals())
    assert found[NAME].reason == "InterfaceUnsupported"
    assert version["binding"] in found[NAME].message


@pytest.mark.parametrize("url", ["http://127.0.0.2:9/", "http://127.0.0.1:9/", "grpc"])
async def test_interface_of_another_origin_is_never_called(peers, server, conversation, url):
    way = {"url": url, "binding": "JSONRPC", "protocolVersion": "0.3"}
    if url == "grpc":
        way = {"url": "127.0.0.2:9", "binding": "GRPC", "protocolVersion": "0.3"}
    peers.write(peer("weather", server, interfaces=[way]))
    events = await conversation().turn("go", call(NAME, "echo hi"), "end")
    assert "another origin" in results(events)[0]


async def test_failing_calls_are_in_the_ack_until_one_succeeds(peers, server, conversation):
    down = {"url": "http://127.0.0.1:9/", "binding": "JSONRPC", "protocolVersion": "0.3"}
    peers.write(peer("weather", "http://127.0.0.1:9", interfaces=[down]))
    talk = conversation()
    await talk.turn("go", call(NAME, "echo hi"))

    def failures():
        ack = peers.ack()
        return {one.subject: one for one in ack.failures} if ack else {}

    found = await until_async("the failure", lambda: failures().get(NAME))
    assert found.reason == "PeerUnreachable"
    assert "Connection refused" in found.message
    assert found.count == 1
    await talk.turn("go", "still there")
    assert talk.model.offered[-1] == [NAME]
    way = interface(server, "JSONRPC", "0.3")
    peers.write(peer("weather", server, interfaces=[way]))
    await talk.turn("go", call(NAME, "echo hi"))
    await until_async("the end of the failure", lambda: not failures())
