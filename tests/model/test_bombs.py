"""Files made to cost much: each is read or refused in at most a second of this machine."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotpeers.model.document import MAX_MANIFEST_BYTES
from hotpeers.model.manifest import read_manifests

SECONDS = 1.0
PEER = "apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\nmetadata: {name: w}\n"
AGENT = "apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata: {name: w}\n"
SPEC = "spec: {url: http://w}\n"

# What a bomb repeats: tokens of YAML, numbers of each form, and whole entries.
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
    """CPU seconds: those of the clock depend on what else the machine does."""
    begun = time.thread_time()
    found = read_manifests(raw, where)
    took = time.thread_time() - begun
    assert sum(len(str(problem)) for problem in found.problems) < 64 * 1024
    return took


def chain(of: str, link: str, count: int, end: str) -> str:
    """A chain of anchors, each of which holds the one before nine times; `end` has the last one."""
    lines = [f"a0: &a0 {of}\n"]
    for number in range(1, count):
        lines.append(f"a{number}: &a{number} " + link % ", ".join([f"*a{number - 1}"] * 9) + "\n")
    return "".join(lines) + end % f"*a{count - 1}"


def numbered(entry: str, between: str = "") -> str:
    """Many entries, each with a number of its own."""
    made: list[str] = []
    size = 0
    while size < MAX_MANIFEST_BYTES - 1024:
        made.append(entry.replace("@", str(len(made))))
        size += len(made[-1]) + len(between)
    return between.join(made)


BOMBS = {
    "aliases as a kind": chain("[x]", "[%s]", 30, PEER.replace("Peer", "%s") + SPEC),
    "aliases as a version": chain("[x]", "[%s]", 30, "apiVersion: %s\nkind: Peer\n"),
    "aliases as a timeout": chain("[x]", "[%s]", 30, PEER + "spec: {url: http://w, timeout: %s}\n"),
    "few aliases as a kind": chain("[x]", "[%s]", 5, PEER.replace("Peer", "%s") + SPEC),
    "aliases as an object's kind": chain("{k: v}", "{k: [%s]}", 30, "kind: %s\n"),
    "aliases as a card": chain("[x]", "[%s]", 6, "name: w\nurl: http://w\nskills: %s\n"),
    "merge keys": chain("{k: v}", "{<<: [%s]}", 30, "kind: %s\n"),
    "text that is repeated": f"a: &a {'x' * 500_000}\nkind: [{'*a,' * 100_000}]\n",
    "a number to the base of 60": PEER
    + f"spec: {{url: http://w, timeout: {':'.join(['59'] * 349_000)}}}\n",
    "a fraction to the base of 60": f"a: {':'.join(['59'] * 349_000)}.5\n",
    "numbers to the base of 60": numbered("- 59:59:59:59:59:59:59:59:59:59:59:59:59:59:59:59:59\n"),
    "a number of a million digits": "a: " + "9" * 1_000_000,
    "a number of a million bits": "a: 0b" + "1" * 1_000_000,
    "keys of one hash": "".join(f"{n * (2**61 - 1)}: a\n" for n in range(1, 36_000)),
    "keys of one hash as floats": "".join(f"{float(n * 2**61)!r}: a\n" for n in range(1, 36_000)),
    "keys without end": numbered("k@: a\n"),
    "labels": f"{PEER[:-2]}, labels: {{{numbered('k@: 1', ',')}}}}}\n{SPEC}",
    "unknown fields": f"{PEER}{SPEC[:-2]}, {numbered('descripton@: 1', ',')}}}\n",
    "unknown fields at the top": f"{PEER}{SPEC}{numbered('descripton@: 1' + chr(10))}",
    "skills that are none": AGENT
    + f"spec: {{declarative: {{a2aConfig: {{skills: [{'1,' * 190_000}]}}}}}}\n",
    "tags that are none": AGENT + "spec: {declarative: {a2aConfig: {skills: ["
    f"{'{id: a, tags: [1,1,1,1,1,1,1,1,1,1]},' * 14_000}]}}}}}}\n",
    "skills of a card": f"name: w\nurl: http://w\nskills: [{'{id: a},' * 66_000}]\n",
    "interfaces of a card": "name: w\nsupportedInterfaces: ["
    + '{url: "http://a:1", protocolBinding: JSONRPC, protocolVersion: "1.0"},' * 14_000
    + "]\n",
    "peers": numbered(PEER.replace("w", "w@") + SPEC, "---\n"),
    "peers that are none": numbered(PEER.replace("w", "W@") + "spec: {ur: x}\n", "---\n"),
    "peers with unknown fields": numbered(
        PEER.replace("w", "w@") + "spec: {url: http://w, descripton: x, timout: 1}\n", "---\n"
    ),
    "documents": "---\n" * 262_000,
    "directives": numbered("%TAG !x@! y\n") + "---\na: b\n",
    "directives after other line ends": "a: b\n...\n" + numbered("%TAG !x@! y\r") + "---\na: b\n",
    "anchors": numbered("- &a@ x\n"),
    "an anchor again and again": "[" + "&a [*a ]," * 100_000,
    "aliases below many anchors": "".join(f"&a{n} [" for n in range(60)) + "*a, " * 200_000,
    "nested lists": "[" * 1_000_000,
    "nested items": "- " * 500_000,
    "nested keys": "? " * 500_000,
    "nested mappings": "".join(" " * n + "a:\n" for n in range(1400)),
    "deep lists with many values": "[" * 60 + "a," * 500_000,
    "keys that may be": '["a" ' * 200_000,
    "escapes": 'a: "' + "\\u0041" * 170_000 + '"',
    "a long key": "? " + "k" * 1_000_000 + "\n: a\n",
    "a long tag": "!" + "a" * 1_000_000 + " b\n",
    "a long tag's escapes": "!<" + "%41" * 340_000 + "> b\n",
    "breaks": "a: '" + "\u2028" * 340_000 + "'\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_read_or_refused_in_time(name: str) -> None:
    raw = BOMBS[name].encode()
    assert len(raw) <= MAX_MANIFEST_BYTES
    assert seconds_to_read(raw) < SECONDS


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
    assert seconds_to_read(raw, "a.json") < SECONDS


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
    assert seconds_to_read(raw, where) < SECONDS


@given(st.binary(max_size=4096), st.integers(1, 300))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_bytes_again_and_again_are_read_or_refused_in_time(raw: bytes, times: int) -> None:
    assert seconds_to_read((raw * times)[:MAX_MANIFEST_BYTES]) < SECONDS
