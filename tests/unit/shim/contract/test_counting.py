"""JSON is measured before anything parses it: values, quotes and depth, however the bytes are cut."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers_shim.contract.counting import JsonCounter

MIB = 1024 * 1024
TEXT = st.text(st.sampled_from('\\",[]{}:a\né😀'), max_size=8)
DOCUMENT = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=40,
)


def measured(raw: bytes, step: int = 16 * 1024) -> JsonCounter:
    counter = JsonCounter()
    for start in range(0, len(raw), step):
        counter.add(raw[start : start + step])
    return counter


def truth(value: Any, depth: int = 0) -> tuple[int, int, int]:
    """Values, quotes and depth of a document, by walking over it."""
    if not isinstance(value, dict | list):
        return 0, 2 * isinstance(value, str), depth
    inner = list(value.values()) if isinstance(value, dict) else value
    found = [truth(one, depth + 1) for one in inner]
    keys = 2 * len(value) if isinstance(value, dict) else 0
    values = 1 + max(0, len(inner) - 1) + sum(one[0] for one in found)
    quotes = keys + sum(one[1] for one in found)
    return values, quotes, max([depth + 1, *(one[2] for one in found)])


@given(DOCUMENT, st.integers(1, 40), st.booleans(), st.sampled_from([None, 1]))
def test_every_document_is_measured_exactly_however_it_is_cut(
    document: Any, step: int, escaped: bool, indent: int | None
) -> None:
    raw = json.dumps(document, ensure_ascii=escaped, indent=indent).encode()
    found = measured(raw, step)
    assert (found.values, found.quotes, found.deepest) == truth(document)
    assert found.quotes <= 4 * found.values + 2


@pytest.mark.parametrize(
    "piece", [b'"', b"\\", b'\\"', b'"\\\\"', b'"",', b"\\n", b"a, b", b"\n", b'"["'], ids=repr
)
def test_measuring_is_fast_for_any_bytes(piece: bytes) -> None:
    raw = piece * (8 * MIB // len(piece))
    begun = time.process_time()
    measured(raw)
    assert time.process_time() - begun < 2.0
