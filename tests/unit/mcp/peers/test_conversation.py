"""The sealed token of a conversation."""

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.mcp.peers.conversation import LIFETIME_SECONDS, Conversation, Owner, Sealer
from hotpeers.mcp.reasons import McpReason
from hotpeers.registry.fault import Fault
from hotpeers_shim.calls.thread import Thread

KEY, NEW_KEY = bytes(32), bytes(range(32))
OWNER = Owner("team/lead", "ada")
WHOLE = Conversation(
    b"8 bytes.", Thread(str(uuid.uuid4()), str(uuid.uuid4())), b"exchange", str(uuid.uuid4())
)


def refused(sealer: Sealer, token: str, owner: Owner = OWNER) -> bool:
    try:
        sealer.open(token, owner)
    except Fault as fault:
        return fault.reason is McpReason.CONVERSATION_UNKNOWN
    return False


_ids = st.one_of(st.just(""), st.uuids().map(str), st.text(max_size=300))


@given(st.binary(min_size=8, max_size=8), _ids, _ids, st.binary(max_size=8), _ids)
def test_sealed_token_is_opened(
    peer: bytes, context: str, task: str, exchange: bytes, running: str
) -> None:
    found = Conversation(peer, Thread(context, task), exchange, running)
    sealer = Sealer([KEY])
    assert sealer.open(sealer.seal(found, OWNER), OWNER) == found


def test_an_upper_case_uuid_keeps_its_letters() -> None:
    found = Conversation(b"8 bytes.", Thread(str(uuid.uuid4()).upper()))
    sealer = Sealer([KEY])
    assert sealer.open(sealer.seal(found, OWNER), OWNER) == found


def test_a_token_is_short_enough_to_be_repeated() -> None:
    assert len(Sealer([KEY]).seal(Conversation(b"8 bytes.", WHOLE.thread), OWNER)) <= 120


def test_a_token_opens_at_another_replica_and_after_a_change_of_keys() -> None:
    token = Sealer([KEY]).seal(WHOLE, OWNER)
    assert Sealer([KEY]).open(token, OWNER) == WHOLE
    assert Sealer([NEW_KEY, KEY]).open(token, OWNER) == WHOLE
    assert refused(Sealer([NEW_KEY]), token)


@pytest.mark.parametrize(
    "owner", [Owner("team/other", "ada"), Owner("team/lead", "bob"), Owner("team/lead"), Owner()]
)
def test_a_token_of_another_orchestrator_or_user_is_refused(owner: Owner) -> None:
    assert refused(Sealer([KEY]), Sealer([KEY]).seal(WHOLE, OWNER), owner)


def test_names_with_a_separator_in_them_do_not_make_the_same_owner() -> None:
    token = Sealer([KEY]).seal(WHOLE, Owner("a", "b\0c"))
    assert refused(Sealer([KEY]), token, Owner("a\0b", "c"))


def test_an_expired_token_is_refused() -> None:
    now = 1_000_000.0
    token = Sealer([KEY], clock=lambda: now).seal(WHOLE, OWNER)
    late = now + LIFETIME_SECONDS
    assert Sealer([KEY], clock=lambda: late - 1).open(token, OWNER) == WHOLE
    assert refused(Sealer([KEY], clock=lambda: late + 1), token)


def test_every_changed_byte_is_noticed() -> None:
    raw = base64.urlsafe_b64decode(Sealer([KEY]).seal(WHOLE, OWNER) + "==")
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert refused(Sealer([KEY]), base64.urlsafe_b64encode(changed).decode())


@given(st.text(max_size=5000))
def test_any_other_text_is_refused(text: str) -> None:
    assert refused(Sealer([KEY]), text)


def test_a_token_in_quotes_or_without_its_padding_is_read() -> None:
    sealer = Sealer([KEY])
    token = sealer.seal(WHOLE, OWNER)
    assert sealer.open(f' "{token}" ', OWNER) == WHOLE
