"""The shim's reader of the credential file: last known good, and nothing bad gets in."""

import json
from pathlib import Path
from typing import Any

import pytest

from hotpeers_shim.contract import Rejection
from hotpeers_shim.contract.credentials import (
    MAX_CREDENTIAL_BYTES,
    MAX_CREDENTIALS,
    load_credential_file,
)
from hotpeers_shim.credentials import CredentialReader

GOOD: dict[str, Any] = {
    "prefix": "https://a.example",
    "headers": {"Authorization": "Bearer s3cret"},
}


def document(*entries: Any, **rest: Any) -> bytes:
    return json.dumps({"apiVersion": "hotpeers.dev/v1", "credentials": entries, **rest}).encode()


def write(peer_file: Path, raw: bytes) -> None:
    temporary = peer_file.with_name("next")
    temporary.write_bytes(raw)
    temporary.replace(peer_file.with_name("credentials.json"))


def token(reader: CredentialReader, url: str = "https://a.example/x") -> str:
    found = reader.find(url)
    return found.headers["Authorization"] if found else ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        document(apiVersion="hotpeers.dev/v2"),
        document("x"),
        document({}),
        document(GOOD | {"prefix": "https://s3cret@a.example"}),
        document(GOOD | {"headers": "s3cret"}),
        document(GOOD | {"headers": {"Authorization": 1}}),
        document(GOOD | {"headers": {"Authorization": "s3cret\r\nX: y"}}),
        document(GOOD | {"headers": {"Authorization": ""}}),
        document(GOOD | {"headers": {"Author ization": "s3cret"}}),
        document(GOOD | {"headers": {"Host": "s3cret"}}),
        document(GOOD | {"headers": {"content-length": "3"}}),
        document(GOOD | {"headers": {"Transfer-Encoding": "chunked"}}),
        document(GOOD | {"headers": {"X-Hotpeers-Key": "s3cret"}}),
        document(GOOD | {"headers": {f"X-{n}": "s3cret" for n in range(17)}}),
        document(GOOD | {"headers": {"Authorization": "s3cret" * 10_000}}),
        document(GOOD | {"via": "http://evil.example"}),
        document(GOOD | {"until": -1}),
        document(GOOD | {"until": True}),
        document(GOOD | {"until": "s3cret"}),
        document(GOOD | {"missing": ["s3cret"]}),
        document(GOOD | {"via": "http://127.0.0.1:80@evil.example"}),
        document(GOOD | {"via": "https://127.0.0.1:80"}),
        document(GOOD | {"ca": ["s3cret"]}),
        document(*[GOOD] * (MAX_CREDENTIALS + 1)),
        b" " * (MAX_CREDENTIAL_BYTES + 1),
    ],
)
def test_bad_file_is_refused_and_the_last_good_one_is_kept(
    tmp_path: Path, raw: bytes, caplog: Any
) -> None:
    found = load_credential_file(raw)
    assert isinstance(found, Rejection)
    assert "s3cret" not in str(found)
    peer_file = tmp_path / "peers.json"
    reader = CredentialReader(peer_file)
    assert token(reader) == ""
    write(peer_file, document(GOOD))
    assert token(reader) == "Bearer s3cret"
    write(peer_file, raw)
    assert token(reader) == "Bearer s3cret"
    assert token(reader) == "Bearer s3cret"
    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text
    write(peer_file, document(GOOD | {"headers": {"Authorization": "new"}}))
    assert token(reader) == "new"


def test_credentials_are_removed_by_an_empty_list_not_by_a_missing_file(tmp_path: Path) -> None:
    peer_file = tmp_path / "peers.json"
    reader = CredentialReader(peer_file)
    write(peer_file, document(GOOD))
    assert token(reader)
    peer_file.with_name("credentials.json").unlink()
    assert token(reader)
    write(peer_file, document())
    assert not token(reader)


def test_repr_of_an_entry_holds_no_secret(tmp_path: Path) -> None:
    found = load_credential_file(
        document(GOOD | {"key": "s3cret", "ca": "s3cret", "via": "http://127.0.0.1:1"})
    )
    assert not isinstance(found, Rejection)
    assert "s3cret" not in repr(found)
    assert found.credentials[0].key == "s3cret"
