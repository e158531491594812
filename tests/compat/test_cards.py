"""Agent cards as servers publish them, read as the sidecar reads them: the peer can be called.

`hotpeers.model.cards.card` needs pydantic alone, which the agents have too.
"""

from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import peer
from scripted import call, results

from hotpeers.model.cards.card import parse_card
from hotpeers.model.cards.endpoint import place
from hotpeers_shim.calls import wire
from hotpeers_shim.contract import Interface

A2A = int(metadata.version("a2a-sdk").split(".")[0])
NAME = "team__NS__weather"
BASE: dict[str, Any] = {"name": "天气"}


def new(url: str, binding: str = "JSONRPC", **more: Any) -> dict[str, Any]:
    return {"url": url, "protocolBinding": binding, "protocolVersion": "1.0", **more}


def cards(server: Any) -> dict[str, dict[str, Any]]:
    """Cards of the peer server; each represents cards that are found in public."""
    port = urlsplit(server.url).port
    url = f"{server.url}/"
    grpc = {"url": server.grpc, "transport": "grpc"}
    return {
        "bare": {"url": url},
        "0.2.9, no transport": {"url": url, "protocolVersion": "0.2.9", "securitySchemes": None},
        "no tags, no modes, capabilities as a list": {
            "url": url,
            "skills": [{"id": "a"}, {"name": "b"}],
            "capabilities": ["streaming"],
        },
        "localhost without a scheme": {"url": f"localhost:{port}"},
        "where it listens": {"url": "http://0.0.0.0:9999/"},
        "a path": {"url": "/", "preferredTransport": "json-rpc"},
        "another spelling of HTTP+JSON": {"url": "/rest", "preferredTransport": "http_json"},
        "gRPC first": {
            **grpc,
            "url": server.grpc,
            "preferredTransport": "GRPC",
            "additionalInterfaces": [grpc, {"url": url, "transport": "JSONRPC"}],
        },
        "gRPC alone": {"url": server.grpc, "preferredTransport": "gRPC"},
        "both forms": {"url": url, "protocolVersion": "0.3.0", "supportedInterfaces": [new(url)]},
        "1.x after something unknown": {
            "supportedInterfaces": [new(url, "SOAP"), new("http://other.example/"), new(url)],
            "url": url,
        },
        "old form, 1.0": {"url": url, "protocolVersion": "1.0"},
        "1.0.0": {"supportedInterfaces": [new(url, protocolVersion="1.0.0")]},
        "v1.0, snake case": {
            "supported_interfaces": [
                {"url": url, "protocol_binding": "jsonrpc", "protocol_version": "v1.0"}
            ]
        },
        "no version": {"supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC"}]},
        "HTTP+JSON of 1.x": {"supportedInterfaces": [new("/rest", "REST")]},
    }


SHAPES = list(cards(type("Nowhere", (), {"url": "http://127.0.0.1:1", "grpc": "127.0.0.1:2"})))


def as_written(interface: Interface) -> dict[str, Any]:
    return {
        "url": interface.url,
        "binding": interface.binding,
        "protocolVersion": interface.protocolVersion,
        "tenant": interface.tenant,
        "streaming": interface.streaming,
    }


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(one, marks=pytest.mark.needs("grpc")) if one == "gRPC alone" else one
        for one in SHAPES
    ],
)
async def test_peer_is_called_with_an_incomplete_card(peers, server, conversation, shape):
    card = parse_card({**BASE, **cards(server)[shape]})
    found = place(card.interfaces, server.url).interfaces
    assert found
    peers.write(peer("weather", server, interfaces=[as_written(one) for one in found]))
    if not any(map(wire.speaks, found)):
        # a2a-sdk 0.3 cannot call an interface of 1.x, so such a peer is not offered.
        assert A2A == 0
        assert {one.protocolVersion for one in found} == {"1.0"}
        talk = conversation()
        await talk.turn("go", "end")
        assert talk.model.offered == [[]]
        return
    text = f"echo {shape}"
    events = await conversation().turn("go", call(NAME, text), "end")
    assert results(events)[0].startswith(f"{shape} [context")


async def test_pinned_peer_is_called_where_it_is(peers, server, conversation):
    card = parse_card({**BASE, "url": "http://localhost:8080"})
    found = place(card.interfaces, f"{server.url}/", pinned=True).interfaces
    peers.write(peer("weather", f"{server.url}/", interfaces=[as_written(one) for one in found]))
    events = await conversation().turn("go", call(NAME, "echo pinned"), "end")
    assert results(events)[0].startswith("pinned [context")
