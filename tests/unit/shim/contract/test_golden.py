"""Both ends read the same files the same way. A malformed one is named by its reason."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from hotpeers_shim.contract import (
    MAX_ACK_BYTES,
    MAX_FILE_BYTES,
    MAX_PEER_BYTES,
    MAX_PEERS,
    Ack,
    Nack,
    PeerFile,
    Rejection,
    dump_ack,
    dump_peer_file,
    load_ack,
    load_peer_file,
)

GOLDEN = Path(__file__).parent / "golden"
PEERS = sorted((GOLDEN / "peers").iterdir(), key=lambda path: path.name)
ACKS = sorted((GOLDEN / "acks").iterdir(), key=lambda path: path.name)


def reason_of(path: Path) -> str:
    return path.name.partition("-")[0]


@pytest.mark.parametrize("path", PEERS, ids=lambda path: path.stem)
def test_peer_file_is_read_or_refused_with_its_reason(path: Path) -> None:
    found = load_peer_file(path.read_bytes())
    if reason_of(path) == "ok":
        assert isinstance(found, PeerFile), found
        assert load_peer_file(dump_peer_file(found)) == found
    else:
        assert isinstance(found, Rejection)
        assert found.reason == reason_of(path)
        assert found.message
        assert "\n" not in str(found)


@pytest.mark.parametrize("path", ACKS, ids=lambda path: path.stem)
def test_ack_is_read_or_refused_with_its_reason(path: Path) -> None:
    found = load_ack(path.read_bytes())
    if reason_of(path) == "ok":
        assert isinstance(found, Ack), found
        assert load_ack(dump_ack(found)) == found
    else:
        assert isinstance(found, Rejection)
        assert found.reason == reason_of(path)
        assert found.message


@pytest.mark.parametrize("path", PEERS, ids=lambda path: path.stem)
def test_pydantic_and_the_contract_read_the_same_value(path: Path) -> None:
    # The dataclasses are the schema: who validates them with pydantic must come to the same value.
    found = load_peer_file(path.read_bytes())
    if isinstance(found, PeerFile):
        assert TypeAdapter(PeerFile).validate_json(dump_peer_file(found)) == found
    elif found.reason is Nack.NOT_JSON:
        with pytest.raises(ValidationError):
            TypeAdapter(PeerFile).validate_json(path.read_bytes())


def test_every_reason_that_bytes_can_have_is_shown() -> None:
    shown = {reason_of(path) for path in PEERS} - {"ok"}
    made_here = {Nack.FILE_TOO_LARGE, Nack.TOO_MANY_PEERS, Nack.PEER_TOO_LARGE}
    of_the_file_system = {Nack.FILE_MISSING, Nack.FILE_UNREADABLE}
    assert shown == set(Nack) - made_here - of_the_file_system


def test_too_large_file_is_refused_unread() -> None:
    found = load_peer_file(b'{"peers":[]}' + b" " * MAX_FILE_BYTES)
    assert isinstance(found, Rejection)
    assert found.reason is Nack.FILE_TOO_LARGE
    found_ack = load_ack(b" " * (MAX_ACK_BYTES + 1))
    assert isinstance(found_ack, Rejection)
    assert found_ack.reason is Nack.FILE_TOO_LARGE


def test_file_with_one_peer_too_many_is_refused() -> None:
    peers = ",".join(f'{{"name":"p{n}","url":"http://a"}}' for n in range(MAX_PEERS + 1))
    found = load_peer_file(f'{{"peers":[{peers}]}}'.encode())
    assert isinstance(found, Rejection)
    assert found.reason is Nack.TOO_MANY_PEERS


def test_a_peer_too_large_is_refused() -> None:
    skill = '{"id":"%d","description":"%s"}'
    skills = ",".join(skill % (n, "x" * 4000) for n in range(MAX_PEER_BYTES // 4000 + 1))
    found = load_peer_file(
        f'{{"peers":[{{"name":"p","url":"http://a","skills":[{skills}]}}]}}'.encode()
    )
    assert isinstance(found, Rejection)
    assert found.reason is Nack.PEER_TOO_LARGE
    assert found.path == "peers[0]"


def test_a_rejection_names_the_field() -> None:
    found = load_peer_file(b'{"peers":[{"name":"a","url":"http://a"},{"name":"b","url":7}]}')
    assert str(found) == "WrongShape: peers[1].url: a string is needed, not a number"
