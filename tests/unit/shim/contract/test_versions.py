"""Each end reads what the other end of the previous version writes, without a loss.

`previous/` has the contract of that version as it was. It runs in a process of its own. A change that fails
here breaks pods whose agent still runs the older shim, or an agent that follows a newer hub.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from hotpeers_shim.contract import (
    Ack,
    PeerFile,
    dump_ack,
    dump_peer_file,
    load_ack,
    load_peer_file,
)
from unit.shim.contract.test_properties import ACK, PEER_FILE

PREVIOUS = Path(__file__).parent / "previous" / "contract-0.1.0.zip"
# Reads each line as that version does, and prints what that version would write.
PROGRAM = """
import base64, json, sys
sys.path.insert(0, sys.argv[1])
from hotpeers_shim.contract import Rejection, dump_ack, dump_peer_file, load_ack, load_peer_file
load = {"peers": load_peer_file, "ack": load_ack}
dump = {"peers": dump_peer_file, "ack": dump_ack}
for line in sys.stdin:
    kind, raw = json.loads(line)
    found = load[kind](base64.b64decode(raw))
    refused = str(found) if isinstance(found, Rejection) else ""
    written = b"" if refused else dump[kind](found)
    print(json.dumps([refused, base64.b64encode(written).decode()]), flush=True)
"""


class Previous:
    """The contract of the previous version."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", PROGRAM, str(PREVIOUS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def rewrite(self, kind: str, raw: bytes) -> bytes:
        """Read bytes and write them again; fails if they are refused."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kind, base64.b64encode(raw).decode()]) + "\n")
        self._process.stdin.flush()
        refused, written = json.loads(self._process.stdout.readline())
        assert refused == ""
        return base64.b64decode(written)

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def previous() -> Iterator[Previous]:
    running = Previous()
    yield running
    running.end()


def without_additions(value: Any, older: Any) -> Any:
    """`value` with only those fields of objects that `older` has too."""
    if isinstance(value, dict) and isinstance(older, dict):
        return {
            key: without_additions(one, older[key]) for key, one in value.items() if key in older
        }
    if isinstance(value, list) and isinstance(older, list) and len(value) == len(older):
        return [without_additions(one, other) for one, other in zip(value, older, strict=True)]
    return value


@settings(max_examples=40)
@given(file=PEER_FILE)
def test_older_shim_reads_the_file_of_a_newer_sidecar(previous: Previous, file: PeerFile) -> None:
    new = dump_peer_file(file)
    old = json.loads(previous.rewrite("peers", new))
    assert without_additions(json.loads(new), old) == old


@settings(max_examples=40)
@given(file=PEER_FILE)
def test_newer_shim_reads_the_file_of_an_older_sidecar(previous: Previous, file: PeerFile) -> None:
    old = previous.rewrite("peers", dump_peer_file(file))
    found = load_peer_file(old)
    assert isinstance(found, PeerFile), found
    assert without_additions(json.loads(dump_peer_file(found)), json.loads(old)) == json.loads(old)


@settings(max_examples=40)
@given(ack=ACK)
def test_older_sidecar_reads_the_ack_of_a_newer_shim(previous: Previous, ack: Ack) -> None:
    new = dump_ack(ack)
    old = json.loads(previous.rewrite("ack", new))
    assert without_additions(json.loads(new), old) == old


@settings(max_examples=40)
@given(ack=ACK)
def test_newer_sidecar_reads_the_ack_of_an_older_shim(previous: Previous, ack: Ack) -> None:
    old = previous.rewrite("ack", dump_ack(ack))
    found = load_ack(old)
    assert isinstance(found, Ack), found
    assert without_additions(json.loads(dump_ack(found)), json.loads(old)) == json.loads(old)


def test_change_that_older_readers_refuse_would_be_noticed(previous: Previous) -> None:
    with pytest.raises(AssertionError):
        previous.rewrite("peers", b'{"apiVersion":"hotpeers.dev/v2","peers":[]}')


def test_lost_field_would_be_noticed() -> None:
    older = {"peers": [{"name": "a", "url": "u"}]}
    assert without_additions({"peers": [{"name": "a", "new": 1}]}, older) != older
    assert without_additions({"peers": [{"name": "a", "url": "u", "new": 1}]}, older) == older
