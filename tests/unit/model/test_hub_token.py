"""Tokens of orchestrators: derived, bound to one Orchestrator and version, and never guessed."""

import pytest

from hotpeers.model.hub_token import (
    MAX_TOKEN,
    derived_key,
    is_token,
    make_token,
    read_key,
    uid_of,
)

KEY, OTHER = bytes(range(32)), bytes(32)
UID = "6f3e1a5e-8f6b-4a38-9d5b-0c1d2e3f4a5b"


def test_token_is_known_by_its_key_uid_and_version() -> None:
    token = make_token(KEY, UID, 1)
    assert uid_of(token) == UID
    assert is_token(token, [KEY], UID, 1)
    assert is_token(token, [OTHER, KEY], UID, 1)
    assert not is_token(token, [OTHER], UID, 1)
    assert not is_token(token, [], UID, 1)
    assert not is_token(token, [KEY], UID, 2)
    assert not is_token(token, [KEY], "another", 1)
    assert not is_token(token + "A", [KEY], UID, 1)
    assert token.isascii()
    assert len(token) <= MAX_TOKEN


@pytest.mark.parametrize(
    "text",
    ["", ".", "hp1", "hp1...", "hp2.a.1.b", "hp1.a.1.b.c", "hp1." + "a" * MAX_TOKEN + ".1.b"],
)
def test_other_texts_name_no_orchestrator(text: str) -> None:
    assert uid_of(text) == ""


@pytest.mark.parametrize("text", ["\ud800", "é", "\x00"])
def test_texts_that_are_not_ascii_are_no_token(text: str) -> None:
    assert not is_token(text, [KEY], UID, 1)


def test_keys_are_sixty_four_hexadecimal_digits() -> None:
    assert read_key(KEY.hex()) == KEY
    assert read_key(f" {KEY.hex()}\n".encode()) == KEY
    for text in ("", "00", KEY.hex()[:-1], KEY.hex() + "00", "z" * 64, b"\xff" * 64):
        assert read_key(text) is None


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert derived_key(KEY, "conversation") != derived_key(KEY, "orchestrator token")
    assert len(derived_key(KEY, "conversation")) == 32
