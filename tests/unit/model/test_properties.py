"""Properties for any bytes and any JSON: the result is a value or a reason, never an exception."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hotpeers.base.origin import Origin, UrlError, origin_of
from hotpeers.model.cards.card import Card, CardError, parse_card
from hotpeers.model.manifest import read_manifests
from hotpeers.model.snapshot import Snapshot
from hotpeers.sidecar.resolve.resolver import Rules, resolve
from hotpeers_shim.contract import (
    MAX_DESCRIPTION,
    PeerFile,
    clean_text,
    digest_of,
    dump_peer_file,
    encode_peer,
    load_peer_file,
)

# With halves of surrogate pairs, which JSON can escape and UTF-8 cannot write.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CARD_FIELDS = [
    "name", "description", "url", "skills", "supportedInterfaces", "additionalInterfaces",
    "capabilities", "security", "securitySchemes", "protocolVersion", "preferredTransport",
    "signatures", "supportsAuthenticatedExtendedCard", "version",
]  # fmt: skip
CARD = {
    "name": "n",
    "description": "d",
    "version": "1",
    "url": "http://a",
    "capabilities": {},
    "skills": [{"id": "i", "name": "n", "description": "d", "tags": []}],
}
MANIFEST_FIELDS = ["apiVersion", "kind", "metadata", "spec", "items"]


@given(st.binary(), st.sampled_from(["a.yaml", "a.json"]))
def test_any_bytes_are_read_or_refused(raw: bytes, where: str) -> None:
    found = read_manifests(raw, where)
    for problem in found.problems:
        str(problem).encode()


@given(st.text(alphabet="-:?[]{}&*!|>'\"%@` \n\tab#<,", max_size=80))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    for problem in read_manifests(text.encode(), "a.yaml").problems:
        assert "\n" not in str(problem)


@given(st.sampled_from(CARD_FIELDS), JSON)
def test_card_with_any_value_in_a_field_is_read_or_refused(field: str, value: Any) -> None:
    data = {**CARD, field: value}
    with suppress(CardError):
        card = parse_card(data)
        assert isinstance(card, Card)
        assert clean_text(card.description, MAX_DESCRIPTION) == card.description


@given(st.sampled_from(["Peer", "Agent"]), st.sampled_from(MANIFEST_FIELDS), JSON, TEXT, TEXT, TEXT)
def test_manifest_with_any_value_in_a_field_is_read_or_refused(
    kind: str, field: str, value: Any, text: str, url: str, uid: str
) -> None:
    data = {
        "apiVersion": "hotpeers.dev/v1alpha1" if kind == "Peer" else "kagent.dev/v1alpha2",
        "kind": kind,
        "metadata": {"name": "a", "uid": uid, "annotations": {"hotpeers.dev/url": "http://" + url}},
        "spec": {"url": f"http://a/{url}", "cardPath": text, "description": text},
        field: value,
    }
    found = read_manifests(json.dumps(data).encode(), "a.json")
    for problem in found.problems:
        str(problem).encode()
    # An accepted candidate can be offered, and an offered peer can be written and read back.
    offered = resolve(Snapshot(found.candidates), {}, Rules(), ()).peers
    file = PeerFile(1, offered, digest=digest_of(encode_peer(peer) for peer in offered))
    assert load_peer_file(dump_peer_file(file)) == file


@given(st.text() | st.from_regex(r"https?://[a-z\\[\\]@:0-9.]{1,20}", fullmatch=True))
def test_any_text_has_an_origin_or_raises_url_error(url: str) -> None:
    with suppress(UrlError):
        assert isinstance(origin_of(url), Origin)
