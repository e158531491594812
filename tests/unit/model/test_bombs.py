"""Files made to cost much: none costs much more than an ordinary file of the same size."""

import time
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotpeers.model.manifest import read_manifests
from hotpeers.model.yaml.document import MAX_MANIFEST_BYTES
from kit.bombs import AGENT, BOMBS, PEER, SPEC

TIMES = 5
"""How many times the seconds of an ordinary file each may cost. The costliest takes less than twice as
many; a busy machine doubles that for moments."""
# The repeated parts of a bomb: tokens of YAML, numbers of each form, and whole entries.
PIECES = [
    *("[", "{", "]", "}", ",", "- ", "? ", ": ", "\n", " ", "\t", "#\n", "'", '"', "|\n", ">\n"),
    *(
        "--- ",
        "---\n",
        "...\n",
        "%TAG !x! y\n",
        "%YAML 1.1\n",
        "!a ",
        "!!str ",
        "!<%41>",
        "&a ",
        "*a ",
    ),
    *("<<: ", "a: ", "a: b\n", "- a\n", "[],", "{},", "{a: b},", "{a},", "~,", "\\x41", "\ufeff"),
    *("59:", "1", "1,", "0x1", "1_", "1.", ".1", "1e", "-", "+", ".inf,", "2026-01-01,", "yes,"),
    *("\r", "\x85", "\u2028", "é", "\U0001f600", "\x00", "x" * 1000 + " "),
]
WRAPS = [
    ("", ""),
    ("a: ", ""),
    ("a: '", "'\n"),
    ('a: "', '"\n'),
    ("a: |\n ", "\n"),
    ("a: &a ", "\nb: [*a, *a]\n"),
    ("[", "]"),
    ("{", "}"),
    (PEER + SPEC + "timeout: ", "\n"),
    (PEER + "spec: {url: http://w, timeout: ", "}\n"),
    (PEER + "spec: {url: ", "}\n"),
    (PEER + "spec: {url: http://w, labels: {", "}}\n"),
    (PEER + SPEC + "kind: ", "\n"),
    (AGENT + "spec: {declarative: {a2aConfig: {skills: [", "]}}}\n"),
    (AGENT + "spec: {description: ", "}\n"),
    ("name: w\nurl: http://w\nskills: [", "]\n"),
    ("name: w\nsupportedInterfaces: [", "]\n"),
    ("name: ", "\nurl: http://w\nskills: []\n"),
    ("kind: List\nitems: [", "]\n"),
]


def seconds_to_read(raw: bytes, where: str = "a.yaml") -> float:
    """CPU seconds, because wall-clock seconds depend on the load of the machine."""
    begun = time.thread_time()
    found = read_manifests(raw, where)
    took = time.thread_time() - begun
    assert sum(len(str(problem)) for problem in found.problems) < 64 * 1024
    return took


@cache
def allowed_seconds() -> float:
    """What each file may cost on this machine."""
    ordinary = BOMBS["peers"].encode()
    assert 0.9 * MAX_MANIFEST_BYTES < len(ordinary) <= MAX_MANIFEST_BYTES
    return TIMES * seconds_to_read(ordinary)


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_read_or_refused_in_time(name: str) -> None:
    raw = BOMBS[name].encode()
    assert len(raw) <= MAX_MANIFEST_BYTES
    assert seconds_to_read(raw) < allowed_seconds()


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 1_000_000,
        b"[" * 900 + b"]" * 900,
        b'{"kind":' * 900 + b"1" + b"}" * 900,
        b"[" + b"{}," * 340_000 + b"{}]",
        b"[" + b"9" * 1_000_000 + b"]",
        b"[" + b"9" * 4299 + b"]",
        b"[1e999, NaN, -Infinity]",
        b'{"kind": "List", "items": [' + b"1," * 500_000 + b"1]}",
        b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
        b'{"kind": ["' + b"\\ud800" * 170_000 + b'"]}',
    ],
    ids=range(10),
)
def test_bomb_of_json_is_read_or_refused_in_time(raw: bytes) -> None:
    assert seconds_to_read(raw, "a.json") < allowed_seconds()


@st.composite
def bombs(draw: st.DrawFn) -> bytes:
    """A few pieces, repeated up to the limit of a file, within something that is read."""
    before, after = draw(st.sampled_from(WRAPS))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        unit = "".join(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)))
        times = draw(st.sampled_from([1, 3, 50, 3_000, MAX_MANIFEST_BYTES]))
        parts.append((unit * times)[: MAX_MANIFEST_BYTES // 2])
    raw = (before + draw(st.sampled_from(["", "\n", " "])).join(parts)).encode()
    return raw[: MAX_MANIFEST_BYTES - len(after)] + after.encode()


@given(bombs(), st.sampled_from(["a.yaml", "a.json"]))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_bomb_is_read_or_refused_in_time(raw: bytes, where: str) -> None:
    assert seconds_to_read(raw, where) < allowed_seconds()


@given(st.binary(max_size=4096), st.integers(1, 300))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_repeated_random_bytes_are_read_or_refused_in_time(raw: bytes, times: int) -> None:
    assert seconds_to_read((raw * times)[:MAX_MANIFEST_BYTES]) < allowed_seconds()
