"""Agent cards of both protocol versions, read as the A2A library reads them."""

import copy

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from google.protobuf.json_format import MessageToDict

from hotpeers.model.cards.card import CardError, parse_card
from hotpeers_shim.contract import Interface

SKILL = {"id": "forecast", "name": "Forecast", "description": "Of rain.", "tags": ["sky", "sea"]}
BASE = {"name": "weather", "description": "Tells the weather.", "version": "1", "skills": [SKILL]}
JSONRPC = {"url": "http://a:1/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
GRPC = {"url": "http://a:2", "protocolBinding": "GRPC", "protocolVersion": "1.0"}


def nested(depth: int) -> object:
    """Lists within lists."""
    inner: object = "x"
    for _ in range(depth):
        inner = [inner]
    return inner


CARDS = {
    "1.x": {**BASE, "supportedInterfaces": [JSONRPC]},
    "1.x, several bindings": {**BASE, "supportedInterfaces": [GRPC, JSONRPC]},
    "1.x, as protobuf names fields": {
        **BASE,
        "supported_interfaces": [{"url": "http://a:1", "protocol_binding": "JSONRPC"}],
    },
    "0.3": {**BASE, "url": "http://a:1", "protocolVersion": "0.3.0"},
    "0.3, another transport first": {
        **BASE,
        "url": "http://a:2",
        "preferredTransport": "GRPC",
        "additionalInterfaces": [
            {"url": "http://a:2", "transport": "GRPC"},
            {"url": "http://a:1", "transport": "JSONRPC"},
        ],
    },
    "0.3, with what 1.x says otherwise": {
        **BASE,
        "url": "http://a:1",
        "capabilities": {"streaming": True},
        "supportsAuthenticatedExtendedCard": True,
        "security": [{"key": []}],
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "additionalInterfaces": None,
    },
    "both at once": {**BASE, "url": "http://old:1", "supportedInterfaces": [JSONRPC]},
    "no skills, no description": {"name": "weather", "url": "http://a:1"},
    "what it does not know": {**BASE, "url": "http://a:1", "provider": {"organization": "o"}},
}


@pytest.mark.parametrize("form", CARDS)
def test_parser_agrees_with_the_library(form: str) -> None:
    ours = parse_card(CARDS[form])
    theirs = parse_agent_card(copy.deepcopy(CARDS[form]))
    assert ours.name == theirs.name
    assert ours.description == theirs.description
    # The library repeats what a card of 0.3 repeats, and leaves `url` out beside the new list.
    expected = dict.fromkeys((one.url, one.protocol_binding) for one in theirs.supported_interfaces)
    found = [(one.url, one.binding) for one in ours.interfaces]
    assert found[: len(expected)] == list(expected)
    assert all(one.streaming == theirs.capabilities.streaming for one in ours.interfaces)
    assert [(s.id, s.name, s.description, list(s.tags)) for s in ours.skills] == [
        (s.id, s.name, s.description, list(s.tags)) for s in theirs.skills
    ]


def test_card_written_by_the_library_is_read() -> None:
    card = AgentCard(
        name="weather",
        supported_interfaces=[AgentInterface(url="http://a:1", protocol_binding="JSONRPC")],
        capabilities=AgentCapabilities(streaming=True),
        skills=[AgentSkill(id="forecast", name="Forecast", tags=["sky"])],
    )
    ours = parse_card(MessageToDict(card))
    assert (ours.name, ours.skills[0].id) == ("weather", "forecast")
    assert ours.interfaces == (Interface("http://a:1", "JSONRPC", "1.0", streaming=True),)


def test_card_whose_empty_lists_are_null_is_read() -> None:
    """The library refuses these."""
    card = parse_card({**BASE, "url": "http://a:1", "skills": None, "additionalInterfaces": None})
    assert card.skills == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "an agent card is a JSON object"),
        ({}, "not an agent card"),
        ({"error": "not found"}, "not an agent card"),
        ({"name": "Weather", "detail": "Not Found"}, "not an agent card"),
        ({**BASE, "url": 1}, "names no address"),
        ({**BASE, "url": " "}, "names no address"),
        ({**BASE, "supportedInterfaces": {}}, "names no address"),
        ({**BASE, "supportedInterfaces": ["http://a:1"]}, "names no address"),
        (BASE, "supportedInterfaces .* names no address"),
        ({**BASE, "url": "http://a:1", "preferredTransport": "mqtt"}, "it has mqtt"),
        ({**BASE, "url": "http://a:1", "provider": nested(70)}, "nests deeper than 64"),
    ],
)
def test_error_names_the_invalid_field(data: object, message: str) -> None:
    with pytest.raises(CardError, match=message):
        parse_card(data)
