"""The interfaces of cards as servers publish them: each shape, and every combination of shapes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotpeers.base.origin import origin_of
from hotpeers.base.reasons import Reason
from hotpeers.model.cards.card import Card, CardError, parse_card
from hotpeers.model.cards.endpoint import place
from hotpeers.model.cards.interface import GRPC, HTTP_JSON, JSON_RPC, declared_interfaces
from hotpeers.model.reasons import ModelReason
from hotpeers_shim.contract import Interface

HOME = "http://weather:8080"
RPC = f"{HOME}/rpc"


def found(card: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one.url, one.binding, one.protocolVersion) for one in declared_interfaces(card)]


def listed(**fields: Any) -> dict[str, Any]:
    return {"supportedInterfaces": [{"url": RPC, "protocolBinding": "JSONRPC", **fields}]}


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        ("0.3.0", "0.3"),
        ("0.3", "0.3"),
        (0.3, "0.3"),
        ("v0.3.0", "0.3"),
        ("0.2.9", "0.2"),
        ("0.2.5", "0.2"),
        ("0.1.0", "0.3"),
        ("draft", "0.3"),
        ("", "0.3"),
        (None, "0.3"),
        ({}, "0.3"),
    ],
)
def test_protocol_version_of_the_card_decides_for_its_url(version: Any, spoken: str) -> None:
    assert found({"url": RPC, "protocolVersion": version}) == [(RPC, JSON_RPC, spoken)]


@pytest.mark.parametrize("version", ["1.0", "1.0.0", "v1.0", 1.0])
def test_card_in_the_form_of_0_3_that_names_1_0_is_spoken_to_in_0_3_first(version: Any) -> None:
    expected = [(RPC, JSON_RPC, "0.3"), (RPC, JSON_RPC, "1.0")]
    assert found({"url": RPC, "protocolVersion": version}) == expected


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        ("1.0", "1.0"),
        ("1.0.0", "1.0"),
        ("v1.0", "1.0"),
        ("1", "1.0"),
        ("0.3.0", "0.3"),
        ("1.1", "1.1"),
        (1.0, "1.0"),
        (None, "1.0"),
        ("1.0-rc.1", "1.0"),
    ],
)
def test_protocol_version_of_a_listed_interface_is_used(version: Any, spoken: str) -> None:
    assert found(listed(protocolVersion=version)) == [(RPC, JSON_RPC, spoken)]


@pytest.mark.parametrize("version", ["2.0", "0.1", "x", "1.0.0.0 or so?"])
def test_listed_interface_of_an_unknown_version_is_skipped(version: str) -> None:
    assert found(listed(protocolVersion=version)) == []


def test_version_of_the_card_applies_to_its_interfaces() -> None:
    assert found({**listed(), "protocolVersion": "0.3.0"}) == [(RPC, JSON_RPC, "0.3")]


def test_card_with_both_forms_offers_both_the_new_one_first() -> None:
    card = {**listed(protocolVersion="1.0"), "url": RPC, "protocolVersion": "0.3.0"}
    assert found(card) == [(RPC, JSON_RPC, "1.0"), (RPC, JSON_RPC, "0.3")]
    assert found({**card, "protocolVersion": None}) == found(card)
    assert found({**card, "protocolVersion": "1.0"}) == [(RPC, JSON_RPC, "1.0")]


@pytest.mark.parametrize(
    ("name", "binding"),
    [
        (name, JSON_RPC)
        for name in ("JSONRPC", "jsonrpc", "JSON-RPC", "json_rpc", "JSON-RPC 2.0", "")
    ]
    + [(name, HTTP_JSON) for name in ("HTTP+JSON", "http_json", "HTTP_JSON", "REST", "http+json")]
    + [(name, GRPC) for name in ("GRPC", "grpc", "gRPC")],
)
def test_bindings_are_known_by_any_spelling(name: str, binding: str) -> None:
    assert found(listed(protocolBinding=name)) == [(RPC, binding, "1.0")]
    assert found({"url": RPC, "preferredTransport": name}) == [(RPC, binding, "0.3")]
    snake = {"supported_interfaces": [{"url": RPC, "protocol_binding": name}]}
    assert found(snake) == [(RPC, binding, "1.0")]


@pytest.mark.parametrize("name", ["mqtt", "https://x.example/binding", "SLIM", "WEBSOCKET"])
def test_unknown_binding_is_skipped(name: str) -> None:
    assert found(listed(protocolBinding=name)) == []
    assert found({"url": RPC, "preferredTransport": name}) == []
    with pytest.raises(CardError) as caught:
        parse_card({"name": "x", **listed(protocolBinding=name)})
    assert caught.value.reason is ModelReason.INTERFACE_MISSING
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("capabilities", "streaming"),
    [
        ({"streaming": True}, True),
        ({"streaming": "true"}, True),
        (["streaming", "pushNotifications"], True),
        ([{"streaming": True}], True),
        ({"streaming": False}, False),
        ({"streaming": None}, False),
        (["text"], False),
        ({}, False),
        ([], False),
        (None, False),
        ("streaming", False),
        (7, False),
    ],
)
def test_streaming_is_that_of_the_capabilities(capabilities: Any, streaming: bool) -> None:
    (one,) = declared_interfaces({"url": RPC, "capabilities": capabilities})
    assert one.streaming is streaming


def test_interface_with_a_malformed_tenant_is_left_out() -> None:
    (one,) = declared_interfaces(listed(tenant="acme"))
    assert one.tenant == "acme"
    for bad in ("a\nb", "\ud800", "x" * 254):
        assert found(listed(tenant=bad)) == []


def test_many_interfaces_are_cut() -> None:
    many = [{"url": f"{RPC}/{n}", "protocolBinding": "JSONRPC"} for n in range(9999)]
    assert len(declared_interfaces({"supportedInterfaces": many})) == 16


def placed(url: str, home: str = HOME, *, pinned: bool = False, binding: str = JSON_RPC) -> str:
    """The address that is called, or "" if the interface is refused."""
    placement = place([Interface(url, binding, "1.0")], home, pinned=pinned)
    assert bool(placement.stray) is not bool(placement.interfaces)
    return placement.interfaces[0].url if placement.interfaces else ""


@pytest.mark.parametrize(
    ("url", "home", "expected"),
    [
        ("http://weather:8080/rpc", HOME, "http://weather:8080/rpc"),
        ("http://WEATHER:8080/rpc", HOME, "http://WEATHER:8080/rpc"),
        ("http://weather:8080/rpc#top", HOME, "http://weather:8080/rpc"),
        ("http://weather:8080/?key=v", HOME, "http://weather:8080/?key=v"),
        # Without a host
        ("/rpc", HOME, RPC),
        ("rpc/v1", HOME, f"{HOME}/rpc/v1"),
        ("./rpc", HOME, RPC),
        ("./", f"{HOME}/a", f"{HOME}/a/"),
        ("rpc", f"{HOME}/agents/a", f"{HOME}/agents/a/rpc"),
        ("/rpc", f"{HOME}/agents/a", RPC),
        ("//weather:8080/rpc", HOME, RPC),
        # Without a scheme
        ("weather:8080/rpc", HOME, RPC),
        ("localhost:8080", HOME, HOME),
        ("localhost:8080/rpc", HOME, RPC),
        ("[::1]:8080/rpc", HOME, RPC),
        ("localhost", HOME, HOME),
        # The server's own view of itself
        ("http://localhost:9999/rpc", HOME, RPC),
        ("http://127.0.0.1:9999/rpc", HOME, RPC),
        ("http://0.0.0.0:9999/", HOME, HOME),
        ("http://0.0.0.0:9999/rpc", HOME, RPC),
        ("http://[::]:9999/rpc?a=b", HOME, f"{RPC}?a=b"),
        ("http://0.0.0.0:9999/", f"{HOME}/agents/a", f"{HOME}/agents/a"),
        ("http://0.0.0.0:9999/", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/rpc", "http://127.0.0.1:8080", "http://127.0.0.1:8080/rpc"),
        # A Service by its longer names
        ("http://weather.demo.svc:80/", "http://weather.demo", "http://weather.demo"),
        (
            "http://weather.demo.svc.cluster.local:8080/rpc",
            "http://weather.demo:8080",
            "http://weather.demo:8080/rpc",
        ),
    ],
)
def test_address_is_on_the_origin_of_the_peer(url: str, home: str, expected: str) -> None:
    assert placed(url, home) == expected


@pytest.mark.parametrize(
    ("url", "home"),
    [
        ("http://evil/rpc", HOME),
        ("https://weather:8080/rpc", HOME),
        ("http://weather:8081/rpc", HOME),
        ("http://weather:8080@evil/", HOME),
        ("http://user@weather:8080/", HOME),
        ("//evil/rpc", HOME),
        ("evil.example/rpc", HOME),
        ("evil:8080", HOME),
        ("http://localhost:9999/rpc", "http://127.0.0.1:8080"),
        ("http://weather.demo.svc:8081/", "http://weather.demo:8080"),
        ("http://weather.other.svc:8080/", "http://weather.demo:8080"),
        ("http://weather.demo.svc.evil:8080/", "http://demo:8080"),
        ("ftp://weather:8080/", HOME),
        ("javascript:alert(1)", HOME),
        ("http://weather:99999/", HOME),
        ("http://wea ther:8080/", HOME),
        ("http://\u0430weather:8080/", HOME),
        ("http://", HOME),
    ],
)
def test_address_elsewhere_is_left_out_with_a_reason(url: str, home: str) -> None:
    assert placed(url, home) == ""


def test_pinned_peer_is_always_called_at_its_address() -> None:
    assert placed("https://public.example/a2a?x=1", pinned=True) == f"{HOME}/a2a?x=1"
    assert placed("localhost:8080", pinned=True) == HOME
    assert placed("https://public.example", f"{HOME}/agents/a", pinned=True) == f"{HOME}/agents/a"
    assert placed("grpc.example:9", pinned=True, binding=GRPC) == "http://weather:9"
    assert not placed("no url at all", pinned=True)


@pytest.mark.parametrize(
    ("url", "home", "expected"),
    [
        ("weather:50051", HOME, "http://weather:50051"),
        ("grpc://weather:50051", HOME, "http://weather:50051"),
        ("grpcs://weather:50051", HOME, "https://weather:50051"),
        ("http://weather:50051", HOME, "http://weather:50051"),
        ("https://weather:50051/", HOME, "https://weather:50051"),
        ("dns:///weather:50051", HOME, "http://weather:50051"),
        ("0.0.0.0:50051", HOME, "http://weather:50051"),
        ("localhost:50051", HOME, "http://weather:50051"),
        ("localhost:50051", "http://127.0.0.1:8080", "http://127.0.0.1:50051"),
        ("[::]:50051", "http://[fd00::1]:8080", "http://[fd00::1]:50051"),
        ("weather:50051", "https://weather", "https://weather:50051"),
        ("grpcs://weather:50051", "https://weather", "https://weather:50051"),
        ("https://weather", "https://weather", "https://weather:443"),
        ("evil:50051", HOME, ""),
        ("weather", HOME, ""),
        ("unix:///run/sock", HOME, ""),
        # In clear text what is said over TLS otherwise
        ("grpc://weather:50051", "https://weather", ""),
        ("http://weather:50051", "https://weather", ""),
    ],
)
def test_grpc_has_a_port_of_its_own_on_the_host_of_the_peer(
    url: str, home: str, expected: str
) -> None:
    assert placed(url, home, binding=GRPC) == expected


def test_interfaces_on_the_origin_of_the_card_are_preferred() -> None:
    declared = [
        Interface("weather:50051", GRPC, "1.0"),
        Interface("weather:8080", GRPC, "1.0"),
        Interface("http://evil/", JSON_RPC, "1.0"),
        Interface(RPC, JSON_RPC, "1.0"),
    ]
    urls = [one.url for one in place(declared, HOME).interfaces]
    assert urls == ["http://weather:8080", RPC, "http://weather:50051"]


URLS = st.one_of(
    st.sampled_from(
        [
            RPC,
            "/rpc",
            "rpc",
            "localhost:8080",
            "http://0.0.0.0:9999/",
            "http://evil/",
            "",
            "weather:5",
            "grpc://weather:5",
            "https://weather:8080",
            "http://weather:8080@evil/",
            "//evil",
            "http://[",
        ]
    ),
    st.text(max_size=30),
    st.none(),
    st.integers(),
)
NAMES = st.sampled_from(
    ["JSONRPC", "json-rpc", "GRPC", "grpc", "HTTP+JSON", "http_json", "REST", "mqtt", "", None, 7]
)
VERSIONS = st.sampled_from(
    ["0.2.9", "0.3.0", "1.0", "1.0.0", "v1.0", "", None, "x", 0.3, [], "9.9"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
LISTED = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "url": URLS,
            "protocolBinding": NAMES,
            "protocol_binding": NAMES,
            "transport": NAMES,
            "protocolVersion": VERSIONS,
            "protocol_version": VERSIONS,
            "tenant": st.sampled_from(["", "acme", None, 7, "a\nb", "\ud800"]),
        },
    )
    | JSON,
    max_size=4,
)
SKILLS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.none() | st.text(max_size=5),
            "name": st.none() | st.text(max_size=5),
            "description": st.none() | st.text(max_size=5),
            "tags": JSON,
        },
    )
    | JSON,
    max_size=3,
)
CARDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.none() | st.text(max_size=8),
        "description": JSON,
        "url": URLS,
        "preferredTransport": NAMES,
        "preferred_transport": NAMES,
        "protocolVersion": VERSIONS,
        "supportedInterfaces": LISTED | JSON,
        "supported_interfaces": LISTED,
        "additionalInterfaces": LISTED | JSON,
        "capabilities": JSON | st.sampled_from([["streaming"], {"streaming": True}]),
        "skills": SKILLS | JSON,
        "securitySchemes": JSON,
        "security": JSON,
        "defaultInputModes": JSON,
        "version": JSON,
    },
)


def read_or_refuse(card: dict[str, Any]) -> tuple[Card | None, Reason | None]:
    try:
        return parse_card(card), None
    except CardError as error:
        return None, error.reason


@settings(max_examples=400)
@given(
    CARDS,
    st.booleans(),
    st.sampled_from([HOME, f"{HOME}/a/", "https://weather", "http://127.0.0.1:9"]),
)
def test_any_card_is_called_on_the_origin_of_the_peer_or_refused(
    card: dict[str, Any], pinned: bool, home: str
) -> None:
    read, reason = read_or_refuse(card)
    if read is None:
        assert reason in (ModelReason.CARD_INVALID, ModelReason.INTERFACE_MISSING)
        return
    placement = place(read.interfaces, home, pinned=pinned)
    assert placement.interfaces or placement.stray
    own = origin_of(home)
    for one in placement.interfaces:
        where = origin_of(one.url)
        if one.binding == GRPC:
            assert where.host == own.host
            assert where.scheme == "https" or own.scheme == "http"
        else:
            assert where == own
        assert one.binding in (JSON_RPC, HTTP_JSON, GRPC)
        assert one.protocolVersion.split(".")[0] in ("0", "1")
        one.tenant.encode()
