"""Cards as servers publish them: what the sidecar makes of each is callable, or has a reason."""

import random
from dataclasses import asdict
from importlib import metadata
from urllib.parse import urlsplit

import pytest
from harness import peer
from scripted import call, results

from hotpeers.model.card import CardError, parse_card
from hotpeers.model.endpoint import place
from hotpeers.reasons import Reason

A2A = int(metadata.version("a2a-sdk").split(".")[0])
NAME = "team__NS__weather"
WHOLE = {
    "name": "Weather",
    "description": "Tells the weather",
    "version": "1",
    "capabilities": {"streaming": True},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "skills": [{"id": "forecast", "name": "Forecast", "description": "Tomorrow", "tags": ["t"]}],
}
GONE = object()


def card(server, **changed):
    port = urlsplit(server.url).port
    texts = {"URL": server.url, "PORT": str(port), "GRPC": server.grpc}

    def filled(value):
        if isinstance(value, str):
            for name, text in texts.items():
                value = value.replace("{" + name + "}", text)
        elif isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        elif isinstance(value, list):
            return [filled(item) for item in value]
        return value

    made = {**WHOLE, "url": "{URL}/", "protocolVersion": "0.3.0", **changed}
    return {key: filled(value) for key, value in made.items() if value is not GONE}


def listed(**fields):
    return {"url": "{URL}/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", **fields}


OF_1_X = {"url": GONE, "protocolVersion": GONE}
SHAPES = {
    "skills without tags": {"skills": [{"id": "a", "name": "A", "description": "d"}]},
    "skills without id and name": {"skills": [{"description": "d"}, {}, None, "x"]},
    "no skills": {"skills": GONE},
    "no modes": {"defaultInputModes": GONE, "defaultOutputModes": GONE},
    "no version": {"version": GONE},
    "no description": {"description": GONE},
    "capabilities as a list": {"capabilities": ["streaming"]},
    "no capabilities": {"capabilities": GONE},
    "protocol 0.2.9": {"protocolVersion": "0.2.9"},
    "protocol 0.2.5": {"protocolVersion": "0.2.5"},
    "no protocol version": {"protocolVersion": GONE},
    "protocol 1.0.0 in the form of 0.3": {"protocolVersion": "1.0.0"},
    "protocol v1.0 in the form of 0.3": {"protocolVersion": "v1.0"},
    "no preferred transport": {"preferredTransport": GONE},
    "transport in lower case": {"preferredTransport": "jsonrpc"},
    "transport with a dash": {"preferredTransport": "JSON-RPC"},
    "REST": {"preferredTransport": "http_json", "url": "{URL}/rest"},
    "no security schemes": {"securitySchemes": None, "security": None},
    "both forms": {"supportedInterfaces": [listed()]},
    "gRPC first": {
        "url": "{GRPC}",
        "preferredTransport": "GRPC",
        "additionalInterfaces": [{"url": "{URL}/", "transport": "JSONRPC"}],
    },
    "unknown binding first": {
        "url": "mqtt://broker/",
        "preferredTransport": "MQTT",
        "additionalInterfaces": [{"url": "{URL}/", "transport": "JSONRPC"}],
    },
    "relative address": {"url": "/"},
    "address without a scheme": {"url": "localhost:{PORT}"},
    "address that is no machine's": {"url": "http://0.0.0.0:9999/"},
    "null everywhere": {"skills": None, "description": None, "additionalInterfaces": None},
    "name in another script": {"name": "\u5929\u6c17"},
}
NEW_SHAPES = {
    "1.x": {**OF_1_X, "supportedInterfaces": [listed()]},
    "1.x without a version": {**OF_1_X, "supportedInterfaces": [listed(protocolVersion=GONE)]},
    "1.x with a tenant": {**OF_1_X, "supportedInterfaces": [listed(tenant="acme")]},
    "1.x that says 1.0.0": {**OF_1_X, "supportedInterfaces": [listed(protocolVersion="1.0.0")]},
    "1.x over REST": {
        **OF_1_X,
        "supportedInterfaces": [listed(url="{URL}/rest", protocolBinding="HTTP_JSON")],
    },
    "1.x as protobuf writes it": {
        **OF_1_X,
        "supported_interfaces": [
            {"url": "{URL}/", "protocol_binding": "JSONRPC", "protocol_version": "1.0"}
        ],
    },
}
for shape in NEW_SHAPES.values():
    for item in shape.get("supportedInterfaces", ()):
        for key in [key for key, value in item.items() if value is GONE]:
            del item[key]


def interfaces(server, data, home=None):
    placement = place(parse_card(data).interfaces, home or server.url)
    assert placement.interfaces, placement.stray
    return [asdict(one) for one in placement.interfaces]


async def answer(peers, server, conversation, data):
    before = server.log()["cards"]
    peers.write(peer("weather", server, interfaces=interfaces(server, data)))
    events = await conversation().turn("go", call(NAME, "echo hi"), "end")
    assert server.log()["cards"] == before
    return results(events)[0]


@pytest.mark.parametrize("shape", SHAPES)
async def test_card_is_callable(peers, server, conversation, shape):
    found = await answer(peers, server, conversation, card(server, **SHAPES[shape]))
    assert found.startswith("hi [context")


@pytest.mark.skipif(A2A == 0, reason="a2a-sdk 0.3 speaks no 1.x, and says so: test_interfaces.py")
@pytest.mark.parametrize("shape", NEW_SHAPES)
async def test_card_of_1_x_is_callable(peers, server, conversation, shape):
    found = await answer(peers, server, conversation, card(server, **NEW_SHAPES[shape]))
    assert found.startswith("hi [context")


@pytest.mark.parametrize("seed", range(12))
async def test_shapes_together_are_callable(peers, server, conversation, seed):
    names = random.Random(seed).sample(sorted(SHAPES), 5)
    changed = {key: value for name in names for key, value in SHAPES[name].items()}
    if "supportedInterfaces" in changed and A2A == 0:
        changed["protocolVersion"] = "0.3.0"
    if changed.get("preferredTransport") == "http_json" and changed["url"] != "{URL}/rest":
        changed["url"] = "{URL}/rest"
    if changed.get("preferredTransport") == "GRPC":
        changed["url"] = "{GRPC}"
    found = await answer(peers, server, conversation, card(server, **changed))
    assert found.startswith("hi [context"), names


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"url": GONE}, Reason.INTERFACE_MISSING),
        ({"url": ""}, Reason.INTERFACE_MISSING),
        ({"preferredTransport": "MQTT"}, Reason.INTERFACE_MISSING),
        (
            {**OF_1_X, "supportedInterfaces": [listed(protocolVersion="9.0")]},
            Reason.INTERFACE_MISSING,
        ),
    ],
)
async def test_card_that_names_no_way_has_a_reason(server, changed, reason):
    with pytest.raises(CardError) as caught:
        parse_card(card(server, **changed))
    assert caught.value.reason is reason
