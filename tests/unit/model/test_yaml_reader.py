"""YAML as data: accepted syntax, refusals with their position, and no multiplying aliases."""

import math
from typing import Any

import pytest
import yaml

from hotpeers.model.reasons import ModelReason
from hotpeers.model.yaml.reader import Limits, YamlError, read_yaml


def one(text: str) -> Any:
    (document,) = read_yaml(text)
    return document


def refusal(text: str, limits: Limits | None = None) -> YamlError:
    with pytest.raises(YamlError) as caught:
        read_yaml(text, limits)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [x, 'y', \"z\\n\", ~, null, yes, Off, 0x1f, 0b11, 017, 1_000, -5, +3]\n",
        "a: {b: {c: [1.5, -2.25e+3, .5, 1e3, 08, '', '7']}}\n",
        "- a\n- !!str 7\n- !!int '7'\n- !!float 3\n- !!bool 'yes'\n- !!null ''\n- ! 7\n",
        "base: &base {a: 1, b: [2]}\nthis: {<<: *base, a: 3}\nthat: *base\n",
        "x: &x {a: 1, b: 1}\ny: &y {a: 2, c: 2}\nz: {<<: [*x, *y], d: 4}\n",
        "x: &x {a: 1}\ny: {b: 2, <<: *x}\nz: {'<<': text}\n",
        "a: |\n  two\n  lines\nb: >-\n  folded\n  text\n# comment\n",
        "--- 1\n--- {a: b}\n---\n...\n---\nlast: true\n",
        "2: a\ntrue: b\n~: c\n2.5: d\n",
        "&a x: &b y\nz: [*a , *b ]\n",
        "",
        "# nothing\n",
    ],
)
def test_ordinary_yaml_is_read_as_pyyaml_reads_it(text: str) -> None:
    assert read_yaml(text) == list(yaml.safe_load_all(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-99-99", "2026-99-99"),
        ("1:30", "1:30"),
        ("59:59.5", "59:59.5"),
        ("0_", 0),
        ("0x_", "0x_"),
        ("0o644", 0o644),
        ("-0o7", -7),
        ("0o_", "0o_"),
        ("0o", "0o"),
        ("0o8", "0o8"),
        ("18446744073709551615", 2**64 - 1),
        ("-.inf", -math.inf),
        ("<<", "<<"),
        ("[<<]", ["<<"]),
        ("x" * 200, "x" * 200),
        ("1." + "0" * 200, "1." + "0" * 200),
    ],
)
def test_scalars_that_are_no_plain_number_are_text(text: str, value: Any) -> None:
    assert one(text) == value
    assert one(f"a: {text}") == {"a": value}


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(one(".nan"))


@pytest.mark.parametrize(
    ("text", "part", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is there twice, first in line 1", (3, 1)),
        ("a: {b: 1, 'b': 2}", "the key 'b' is there twice", (1, 11)),
        ("1: a\n0x1: b\n", "the key '1' is there twice", (2, 1)),
        ("{~: a, null: b}", "the key 'None' is there twice", (1, 8)),
        ("1: a\ntrue: b\n", "the key 'True' is there twice", (2, 1)),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}\n", "the key '<<' is there twice", (2, 13)),
    ],
)
def test_repeated_key_is_named_with_both_places(
    text: str, part: str, place: tuple[int, int]
) -> None:
    error = refusal(text)
    assert part in str(error)
    assert (error.reason, error.line, error.column) == (ModelReason.DUPLICATE_KEY, *place)


def test_merged_key_may_be_overridden() -> None:
    assert one("x: &x {a: 1}\ny: {<<: *x, a: 2}\n")["y"] == {"a": 2}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [", "did not find expected node content"),
        ("a: \x07", "control characters"),
        ("a: *b", "has no anchor"),
        ("--- &b x\n--- *b\n", "has no anchor"),
        ("a: &a [*a]", "inside its own anchor"),
        ("&a {k: {l: *a}}", "inside its own anchor"),
        ("{[a]: b}", "a key must be a single value"),
        ("? {a: b}\n: c\n", "a key must be a single value"),
        ("x: &x [1]\n*x : a\n", "a key must be a single value"),
        ("<<: 7", "<< takes a mapping"),
        ("<<: [{a: 1}, 7]", "<< takes a mapping"),
        ("a: !!python/name:os.system", "python/name:os.system"),
        ("a: !!binary aGk=", "binary"),
        ("a: !!timestamp 2026-01-01", "timestamp"),
        ("a: !!int x", "'x' is not of the tag !!int"),
        ("a: !!set {b}", "the tag"),
        ("a: !mine {b: c}", "the tag '!mine'"),
        ("9" * 101, "a number of 101 digits"),
        ("18446744073709551616", "more than 64 bits"),
        ("0x" + "f" * 17, "more than 64 bits"),
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ("- " * 65, "deeper than 64"),
    ],
)
def test_unsupported_yaml_is_named_in_the_error(text: str, part: str) -> None:
    error = refusal(text)
    assert part in str(error)
    assert error.reason is ModelReason.NOT_YAML


def test_deepest_allowed_nesting_is_read() -> None:
    assert one("[" * 64 + "]" * 64)


def test_inner_anchor_of_the_same_name_may_be_repeated_inside_of_the_outer_one() -> None:
    assert one("&a [&a x, *a ]") == ["x", "x"]


def nine_times(of: str, rest: str, count: int) -> str:
    """A chain of anchors, each of which holds the one before nine times."""
    lines = [f"a0: &a0 {of}\n"]
    for number in range(1, count):
        aliases = ", ".join([f"*a{number - 1}"] * 9)
        lines.append(f"a{number}: &a{number} {rest % aliases}\n")
    return "".join(lines)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (nine_times("[x]", "[%s]", 30), "more than 200000 values"),
        (nine_times("{k: v}", "{<<: [%s]}", 30), "more than 200000 values"),
        (f"a: &a {'x' * 500_000}\nb: [{'*a,' * 100}]", "repeat too much text"),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a " + "]" * 40, "deeper than 64"),
        ("[" + "1," * 200_000 + "]", "more than 200000 values"),
        ("---\n" * 200_001, "more than 200000 values"),
        ("".join(f"%TAG !{n}! x\n" for n in range(1001)) + "---\n", "%TAG"),
    ],
)
def test_multiplying_aliases_are_refused(text: str, part: str) -> None:
    assert part in str(refusal(text))


def test_aliases_that_repeat_little_are_taken() -> None:
    text = "x: &x {cpu: 1, memory: 2}\n" + "".join(f"k{n}: *x\n" for n in range(10_000))
    assert len(one(text)) == 10_001


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: *b", "aliases"),
        ("a: &b c", "anchors"),
        ("a: &b [c]", "anchors"),
        ("a: !!str 7", "tags"),
        ("a: ! 7", "tags"),
        ("{<<: {a: 1}}", "merge keys"),
        ("{1: a}", "the key '1' is not text"),
        ("{yes: a}", "the key 'True' is not text"),
        ("[1, 2, 3, 4]", "more than 4 values"),
        ("[[[a]]]", "deeper than 2"),
    ],
)
def test_plain_yaml_has_no_tricks(text: str, part: str) -> None:
    assert part in str(refusal(text, Limits(depth=2, values=4, plain=True)))
