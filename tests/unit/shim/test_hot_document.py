"""config.json within bounds, and the annotation of a held pod."""

import json
from datetime import UTC, datetime

import pytest

from hotpeers_shim.contract import Nack, Rejection
from hotpeers_shim.hot.document import MAX_BYTES, MAX_VALUES, parse_document
from hotpeers_shim.hot.wanted import parse_wanted


def test_document_is_read_as_json_load_reads_it():
    assert parse_document(b'{"a": NaN, "a": [1, null]}') == {"a": [1, None]}
    assert parse_document('{"é": "ü"}'.encode()) == {"é": "ü"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Nack.FILE_EMPTY),
        (b" \n\x00", Nack.FILE_EMPTY),
        (b'{"a": "\xff"}', Nack.NOT_UTF8),
        (b'{"instruction": "cut', Nack.NOT_JSON),
        (b"\xef\xbb\xbf{}", Nack.NOT_JSON),
        (b'{"a": ' + b"9" * 5000 + b"}", Nack.NOT_JSON),
        (b"[" * 100_000 + b"]" * 100_000, Nack.NOT_JSON),
        (b"[]", Nack.WRONG_SHAPE),
        (b"null", Nack.WRONG_SHAPE),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', Nack.FILE_TOO_LARGE),
        (b'{"a": [' + b"0," * MAX_VALUES + b"0]}", Nack.FILE_TOO_LARGE),
    ],
)
def test_malformed_document_is_refused_with_its_reason(raw, reason):
    found = parse_document(raw)
    assert isinstance(found, Rejection)
    assert found.reason is reason
    assert found.message


def test_the_annotation_of_a_held_pod_is_read():
    said = {"hash": "123", "secrets": "0aff", "try": 4, "since": "2026-11-28T10:00:00Z"}
    found = parse_wanted(json.dumps(said).encode())
    assert (found.hash, found.secrets) == ("123", b"\x0a\xff")
    assert datetime.fromtimestamp(found.since, UTC).hour == 10


@pytest.mark.parametrize("since", [None, 5, "soon", "2026-11-28T10:00:00", [], "9" * 50])
def test_malformed_time_is_left_out(since):
    found = parse_wanted(json.dumps({"hash": "1", "since": since}).encode())
    assert found.since is None
    assert found.secrets == b""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"no",
        b"[]",
        b'"x"',
        b"{}",
        b'{"hash": 5}',
        b'{"hash": "0x1"}',
        b'{"hash": "1", "secrets": "xyz"}',
        b'{"hash": "1", "secrets": 5}',
        b"\xff",
        b"[" * 100_000,
        b'{"hash": "1"}' + b" " * 300_000,
    ],
)
def test_unreadable_annotation_is_ignored(raw):
    assert parse_wanted(raw) is None
