"""Signed agent cards: of both versions of the protocol, and everything that must not pass for one."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import create_agent_card_signer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.protobuf.json_format import MessageToDict
from jwt.utils import base64url_encode

from hotpeers.base.reasons import Reason
from hotpeers.model.cards.card import CardError, parse_card
from hotpeers.sidecar.cards.signature import SignatureCheck
from hotpeers.sidecar.reasons import SidecarReason
from kit.cards import new_card, old_card

NAME = "Wetter \u2014 \u5929\u6c17"
CARD = new_card("http://weather:8080/rpc", name=NAME)
OLD = old_card("http://weather:8080/rpc", name=NAME)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
ALGORITHM_OF = {EC: "ES256", OTHER: "ES256", RSA: "RS256", ED: "EdDSA"}


def public(key: Any, kid: str | None = None) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(ALGORITHM_OF[key])
    jwk = json.loads(algorithm.to_jwk(key.public_key()))
    return jwk | ({"kid": kid} if kid else {})


def pem(key: Any) -> str:
    return key.private_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def signed(key: Any, kid: str = "main", **changed: Any) -> dict[str, Any]:
    """A card of 1.x, signed by the library."""
    sign = create_agent_card_signer(
        pem(key), {"kid": kid, "alg": ALGORITHM_OF[key], "jku": None, "typ": "JOSE"}
    )
    return dict(MessageToDict(sign(parse_agent_card(copy.deepcopy(CARD | changed)))))


def signed_old(key: Any, kid: str = "main", card: dict[str, Any] = OLD) -> dict[str, Any]:
    """A card of 0.3, signed as a2a-sdk 0.3 does: its canonical form leaves defaults out."""
    body = {name: card[name] for name in card if card[name] not in ("0.3.0", "JSONRPC")}
    canonical = json.dumps(body, separators=(",", ":"), sort_keys=True)
    headers = {"kid": kid, "alg": ALGORITHM_OF[key], "typ": "JOSE"}
    token = jwt.encode(json.loads(canonical), pem(key), ALGORITHM_OF[key], headers)
    protected, payload, signature = token.split(".")
    assert payload == base64url_encode(canonical.encode()).decode()
    return card | {"signatures": [{"protected": protected, "signature": signature}]}


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., SignatureCheck]:
    def make(*keys: dict[str, Any]) -> SignatureCheck:
        (tmp_path / "keys.json").write_text(json.dumps({"keys": keys}))
        return SignatureCheck(tmp_path / "keys.json")

    return make


def reason_of(check: SignatureCheck, card: dict[str, Any]) -> Reason:
    with pytest.raises(CardError) as caught:
        check(card)
    return caught.value.reason


Check = Callable[..., SignatureCheck]


@pytest.mark.parametrize("key", [EC, RSA, ED], ids=["EC", "RSA", "Ed25519"])
def test_card_of_either_version_is_verified(check: Check, key: Any) -> None:
    verify = check(public(OTHER, "other"), public(key, "main"))
    for card in (signed(key), signed_old(key)):
        believed = parse_card(verify(card))
        assert [one.url for one in believed.interfaces] == ["http://weather:8080/rpc"]
        assert believed.interfaces[0].streaming
        assert believed.name == CARD["name"]


def test_key_without_an_id_is_tried_for_every_signature(check: Check) -> None:
    verify = check(public(OTHER), public(EC))
    assert verify(signed(EC, "any"))
    assert verify(signed_old(EC, "any"))


@pytest.mark.parametrize("make", [signed, signed_old])
def test_card_signed_with_another_key_is_refused(check: Check, make: Any) -> None:
    assert reason_of(check(public(EC, "main")), make(OTHER)) is SidecarReason.CARD_SIGNATURE_BAD
    assert reason_of(check(public(EC, "else")), make(EC)) is SidecarReason.CARD_SIGNATURE_BAD


@pytest.mark.parametrize("card", [CARD, OLD])
@pytest.mark.parametrize("signatures", [None, [], {}, "x"])
def test_card_without_a_signature_is_refused(
    check: Check, card: dict[str, Any], signatures: Any
) -> None:
    assert (
        reason_of(check(public(EC)), card | {"signatures": signatures})
        is SidecarReason.CARD_UNSIGNED
    )
    assert reason_of(check(public(EC)), dict(card)) is SidecarReason.CARD_UNSIGNED


@pytest.mark.parametrize(
    "signature",
    [
        "x",
        {},
        None,
        {"protected": 1, "signature": 2},
        {"protected": "", "signature": ""},
        {"protected": "e30", "signature": "AA"},
        {"protected": "bm90IGpzb24", "signature": "AA"},
        {"protected": "W10", "signature": "AA"},
        {"protected": "eyJhbGciOiJub25lIn0", "signature": ""},
        {"protected": "eyJhbGciOiJIUzI1NiJ9", "signature": "AA"},
    ],
)
def test_malformed_signature_is_refused(check: Check, signature: Any) -> None:
    for card in (CARD, OLD):
        tampered = card | {"signatures": [signature]}
        assert reason_of(check(public(EC)), tampered) is SidecarReason.CARD_SIGNATURE_BAD


@pytest.mark.parametrize("make", [signed, signed_old])
def test_changed_card_is_refused(check: Check, make: Any) -> None:
    verify = check(public(EC, "main"))
    for change in ({"description": "Evil"}, {"skills": []}, {"capabilities": {}}):
        assert reason_of(verify, make(EC) | change) is SidecarReason.CARD_SIGNATURE_BAD


def test_unsigned_fields_are_ignored(check: Check) -> None:
    """The library does not sign the fields of 0.3 in a card of 1.x: an attacker can add them."""
    card = signed(EC) | {"url": "http://weather:8080/evil", "preferredTransport": "JSONRPC"}
    believed = parse_card(check(public(EC, "main"))(card))
    assert [one.url for one in believed.interfaces] == ["http://weather:8080/rpc"]
    old = signed_old(EC) | {"supported_interfaces": [{"url": "/evil"}], "extra": {"url": "/evil"}}
    believed = parse_card(check(public(EC, "main"))(old))
    assert {one.url for one in believed.interfaces} == {"http://weather:8080/rpc"}


def test_one_valid_signature_of_several_is_enough(check: Check) -> None:
    card = signed(EC)
    card["signatures"].insert(0, signed(OTHER)["signatures"][0])
    assert check(public(EC, "main"))(card)


def test_keys_are_read_again_when_they_change(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    verify = SignatureCheck(folder)
    assert reason_of(verify, signed(EC)) is SidecarReason.CARD_KEYS_UNREADABLE
    (folder / "a.json").write_text(json.dumps({"keys": [public(OTHER, "main")]}))
    assert reason_of(verify, signed(EC)) is SidecarReason.CARD_SIGNATURE_BAD
    (folder / "b.json").write_text(json.dumps(public(EC, "main")))
    assert verify(signed(EC))
    (folder / "..data").write_text("not read")
    assert verify(signed(EC))
    (folder / "b.json").unlink()
    assert reason_of(verify, signed(EC)) is SidecarReason.CARD_SIGNATURE_BAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"keys": 7}',
        '{"keys": [7]}',
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        '{"keys": [{"kty": "new"}]}',
        json.dumps({"keys": [json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(EC))]}),
        " " * 300_000,
    ],
)
def test_unusable_keys_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    verify = SignatureCheck(tmp_path / "keys.json")
    with pytest.raises(CardError) as caught:
        verify(signed(EC))
    assert caught.value.reason is SidecarReason.CARD_KEYS_UNREADABLE
    assert "c2VjcmV0" not in str(caught.value)


def test_libraries_are_imported_only_when_a_card_is_verified() -> None:
    import subprocess
    import sys

    code = (
        "import sys, hotpeers.sidecar.cards.signature, hotpeers.sidecar.cards.reader\n"
        "import hotpeers.sidecar.runner\n"
        "assert not {'a2a', 'jwt', 'google.protobuf'} & sys.modules.keys(), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
