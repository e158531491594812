"""Properties for any bytes, and for any valid value."""

import hashlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotpeers_shim.contract import (
    MAX_DESCRIPTION,
    MAX_TOOL_NAME,
    Ack,
    AckState,
    CallFailure,
    ConfigAck,
    ConfigState,
    Interface,
    Peer,
    PeerFile,
    Refusal,
    Rejection,
    Skill,
    clean_text,
    digest_of,
    dump_ack,
    dump_peer_file,
    encode_peer,
    fingerprint_of,
    load_ack,
    load_peer_file,
    tool_name,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(max_size=60)
NAME = st.text(min_size=1, max_size=40).filter(str.isprintable)
SKILL = st.builds(
    Skill,
    id=st.text(min_size=1, max_size=20),
    name=TEXT,
    description=TEXT,
    tags=st.lists(TEXT, max_size=3).map(tuple),
)
INTERFACE = st.builds(
    Interface,
    url=st.text(min_size=1, max_size=40),
    binding=st.sampled_from(["JSONRPC", "HTTP+JSON", "GRPC"]),
    protocolVersion=TEXT,
    tenant=TEXT,
    streaming=st.booleans(),
)
PEER = st.builds(
    Peer,
    name=NAME,
    namespace=st.just("") | NAME,
    url=st.from_regex(r"https?://[a-z0-9.]{1,20}(:[0-9]{1,5})?(/[a-z]{0,8})?", fullmatch=True),
    toolName=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,63}", fullmatch=True),
    uid=TEXT,
    description=TEXT,
    skills=st.lists(SKILL, max_size=3).map(tuple),
    ready=st.booleans(),
    fingerprint=st.text(min_size=1, max_size=80),
    source=TEXT,
    cardPath=TEXT,
    timeout=st.none() | st.floats(min_value=0.001, max_value=86_400),
    interfaces=st.lists(INTERFACE, max_size=3).map(tuple),
    userHeaders=st.booleans(),
)
PEER_FILE = st.builds(
    PeerFile,
    generation=st.integers(0, 2**63 - 1),
    peers=st.lists(PEER, max_size=4, unique_by=lambda peer: peer.toolName).map(tuple),
    orchestrator=TEXT,
    digest=st.text(min_size=1, max_size=80),
)
CONFIG = st.builds(
    ConfigAck,
    state=st.sampled_from(ConfigState),
    digest=TEXT,
    hash=TEXT,
    seen=TEXT,
    reason=TEXT,
    message=TEXT,
    restart=st.lists(TEXT, max_size=3).map(tuple),
    time=st.floats(min_value=0, max_value=1e11),
)
ACK = st.builds(
    Ack,
    pid=st.integers(0, 2**31),
    state=st.sampled_from(AckState),
    generation=st.none() | st.integers(0, 2**63 - 1),
    digest=TEXT,
    reason=TEXT,
    message=TEXT,
    refusals=st.lists(
        st.builds(Refusal, subject=st.text(min_size=1, max_size=20), reason=NAME, message=TEXT),
        max_size=3,
    ).map(tuple),
    failures=st.lists(
        st.builds(
            CallFailure,
            subject=st.text(min_size=1, max_size=20),
            reason=NAME,
            message=TEXT,
            count=st.integers(0, 2**31),
            time=st.floats(min_value=0, max_value=1e11),
        ),
        max_size=3,
    ).map(tuple),
    config=st.none() | CONFIG,
    runtime=st.dictionaries(TEXT, TEXT, max_size=3),
    time=st.floats(min_value=0, max_value=1e11),
)
# Valid files with one replaced field: plain random bytes never get this far.
PEER_FIELD = st.sampled_from([*Peer.__dataclass_fields__, "unknown"])
FILE_FIELD = st.sampled_from([*PeerFile.__dataclass_fields__, "unknown"])


@given(st.binary())
def test_any_bytes_are_a_value_or_a_rejection(raw: bytes) -> None:
    assert isinstance(load_peer_file(raw), PeerFile | Rejection)
    assert isinstance(load_ack(raw), Ack | Rejection)


@given(JSON)
def test_any_json_is_a_value_or_a_rejection(value: object) -> None:
    raw = json.dumps(value).encode()
    assert isinstance(load_peer_file(raw), PeerFile | Rejection)
    assert isinstance(load_ack(raw), Ack | Rejection)


@given(PEER, PEER_FIELD, FILE_FIELD, JSON, st.booleans())
def test_any_value_in_a_field_is_read_or_rejected(
    peer: Peer, peer_field: str, file_field: str, value: object, inner: bool
) -> None:
    data = {"peers": [json.loads(encode_peer(peer))]}
    if inner:
        data["peers"][0][peer_field] = value
    else:
        data[file_field] = value  # type: ignore[assignment]
    found = load_peer_file(json.dumps(data).encode())
    assert isinstance(found, PeerFile | Rejection)
    if isinstance(found, PeerFile):
        assert load_peer_file(dump_peer_file(found)) == found
    else:
        str(found).encode()


@given(ACK, st.sampled_from([*Ack.__dataclass_fields__]), JSON)
def test_ack_with_any_value_in_a_field_is_read_or_rejected(
    ack: Ack, field: str, value: object
) -> None:
    data = {**json.loads(dump_ack(ack)), field: value}
    found = load_ack(json.dumps(data).encode())
    assert isinstance(found, Ack | Rejection)
    if isinstance(found, Ack):
        assert load_ack(dump_ack(found)) == found
    else:
        str(found).encode()


@given(PEER_FILE)
def test_peer_file_survives_a_round_trip(file: PeerFile) -> None:
    raw = dump_peer_file(file)
    assert load_peer_file(raw) == file
    assert raw.count(b"\n") == 1


@given(PEER_FILE, st.data())
def test_truncated_peer_file_is_always_rejected(file: PeerFile, data: st.DataObject) -> None:
    raw = dump_peer_file(file)
    cut = data.draw(st.integers(0, len(raw) - 2))
    assert isinstance(load_peer_file(raw[:cut]), Rejection)


@given(ACK)
def test_ack_survives_a_round_trip(ack: Ack) -> None:
    assert load_ack(dump_ack(ack)) == ack


@given(st.lists(PEER, max_size=4))
def test_digest_depends_on_order_and_content(peers: list[Peer]) -> None:
    encoded = [encode_peer(peer) for peer in peers]
    same = [encode_peer(peer) for peer in peers]
    assert digest_of(encoded) == digest_of(same)
    if encoded != encoded[::-1]:
        assert digest_of(encoded) != digest_of(encoded[::-1])


@given(st.text(), st.text(min_size=1))
def test_a_tool_name_is_an_identifier(namespace: str, name: str) -> None:
    try:
        (namespace + name).encode()
    except UnicodeEncodeError:
        return
    assert re.fullmatch(
        rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_TOOL_NAME - 1}}}", tool_name(namespace, name)
    )


# The former tool names. Names with ASCII characters keep them, because kagent uses the same rule.
def kagents_name(namespace: str, name: str) -> str:
    joined = f"{namespace}__NS__{name}" if namespace else name
    ident = re.sub(r"[^A-Za-z0-9_]", "_", joined)
    ident = f"_{ident}" if not ident or ident[0].isdigit() else ident
    if len(ident) > MAX_TOOL_NAME:
        mark = hashlib.sha256(joined.encode()).hexdigest()[:8]
        ident = f"{ident[: MAX_TOOL_NAME - 9]}_{mark}"
    return ident


@given(
    st.from_regex(r"([a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?)?", fullmatch=True),
    st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True)
    | st.text(st.characters(max_codepoint=126, min_codepoint=32), min_size=1)
    | st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"{text}a"),
)
def test_name_with_ascii_characters_keeps_its_tool_name(namespace: str, name: str) -> None:
    assert tool_name(namespace, name) == kagents_name(namespace, name)


NAMES = [
    "\u5929\u6c17",
    "\u65b0\u805e",
    "\u5929\u6c17 2",
    "\u65b0\u805e 2",
    "\u041f\u043e\u0433\u043e\u0434\u0430",
    "\u0637\u0642\u0633",
    "\U0001f326\ufe0f",
    "\U0001f4f0",
    "\u5929" * 200,
    "\u5929" * 201,
]


@pytest.mark.parametrize("namespace", ["", "team", "\u5929", "\u65b0"])
def test_names_of_other_scripts_have_tool_names_of_their_own(namespace: str) -> None:
    tools = {tool_name(namespace, name) for name in NAMES}
    assert len(tools) == len(NAMES)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", tool) for tool in tools)
    others = {tool_name("other", name) for name in NAMES}
    assert not tools & others


def test_tool_names_of_other_scripts_stay_as_they_are() -> None:
    assert tool_name("team", NAMES[0]) == "team__NS__peer_659ac777"
    assert tool_name("", NAMES[2]) == "_2_2bc9d86e"
    assert tool_name("", "caf\u00e9") == "caf_"


@settings(max_examples=300)
@given(st.text(max_size=3 * MAX_DESCRIPTION), st.integers(1, 200))
def test_clean_text_is_short_printable_and_stable(text: str, limit: int) -> None:
    clean = clean_text(text, limit)
    assert len(clean) <= limit
    assert "\n" not in clean
    assert clean == clean.strip()
    assert clean_text(clean, limit) == clean
    clean.encode()


@given(NAME, NAME, TEXT, TEXT)
def test_fingerprint_distinguishes_the_fields(name: str, other: str, uid: str, url: str) -> None:
    first = fingerprint_of(namespace=name, name=other, uid=uid, url=url)
    if name != other:
        assert first != fingerprint_of(namespace=other, name=name, uid=uid, url=url)
    assert first == fingerprint_of(namespace=name, name=other, uid=uid, url=url, card_path="")


@given(PEER_FILE, st.data())
def test_known_peers_never_change_the_result_of_reading(
    file: PeerFile, data: st.DataObject
) -> None:
    document = json.loads(dump_peer_file(file))
    for item in document["peers"]:
        field = data.draw(st.sampled_from(sorted(item)))
        values = [item[field], True, 1, 0, None, "", [], "x", {}, [{}], [{"id": "x"}]]
        item[field] = data.draw(st.sampled_from(values))
    raw = json.dumps(document).encode()
    assert load_peer_file(raw, file.peers) == load_peer_file(raw)


@given(PEER_FILE)
def test_known_peer_is_returned_as_the_same_object(file: PeerFile) -> None:
    found = load_peer_file(dump_peer_file(file), file.peers)
    assert isinstance(found, PeerFile)
    assert all(new is old for new, old in zip(found.peers, file.peers, strict=True))
