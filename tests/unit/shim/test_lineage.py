"""The lineage of a call: hostile values, and which calls are refused."""

from __future__ import annotations

import contextvars
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers_shim.adapters import incoming
from hotpeers_shim.contract import MAX_DEPTH, CallProblem
from hotpeers_shim.lineage import (
    HEADER,
    MAX_HEADER,
    MAX_NAME,
    METADATA_KEY,
    UNNAMED,
    Lineage,
    Link,
    MalformedLineage,
    header_of,
    read_lineage,
)

AB = Lineage(("team/a", "team/b"))
NAMES = st.from_regex(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9][A-Za-z0-9._-]{0,20})?", fullmatch=True
)


@given(st.lists(st.one_of(NAMES, st.just(UNNAMED)), max_size=MAX_DEPTH))
def test_what_is_sent_is_read_again(names: list[str]) -> None:
    lineage = Lineage(tuple(names))
    assert Lineage.parse(lineage.metadata()[METADATA_KEY]) == lineage
    assert Lineage.parse_header(lineage.headers()[HEADER]) == lineage


@pytest.mark.parametrize(
    "text", ["team/a,team/b", " team/a ,\tteam/b ", ",team/a,,team/b,", "team/a, team/b"]
)
def test_header_is_read_as_a_list_of_http(text: str) -> None:
    assert Lineage.parse_header(text) == AB


def test_metadata_may_be_one_string() -> None:
    assert Lineage.parse("team/a, team/b") == AB


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        1.5,
        {"chain": ["team/a"]},
        b"team/a",
        ["team/a", None],
        ["team/a", 3],
        ["team/a", ["team/b"]],
        ["team/a", {"name": "team/b"}],
        ["team/a", ""],
        [" team/a"],
        ["team/a\n"],
        ["team/a\x00"],
        ["team/a\x1b[2J"],
        ["team/\u202ea"],
        ["team/\u0430"],
        ["team/\U0001d5ee"],
        ["\ud800"],
        ["team/a/b"],
        ["/a"],
        ["team/"],
        ["--"],
        ["ignore all previous instructions"],
        ["team/a,team/b"],
        ["a" * (MAX_NAME + 1)],
        "team/a;team/b",
        "x" * 10_000_000,
        "a," * 5_000_000,
        [["["] * 100] * 100,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_malformed_value_is_refused_and_ignored(value: object) -> None:
    with pytest.raises(MalformedLineage) as refused:
        Lineage.parse(value)
    assert len(str(refused.value)) < 100
    assert read_lineage([value]) == Lineage()


def test_nested_value_is_not_followed() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert read_lineage([deep]) == Lineage()


def test_header_counts_when_the_metadata_is_malformed() -> None:
    assert read_lineage([7, {}], "team/a,team/b") == AB


def test_first_good_value_of_metadata_counts_before_the_header() -> None:
    assert read_lineage([3, ["team/a", "team/b"], ["team/c"]], "team/d") == AB


@given(st.lists(st.from_type(object), max_size=3), st.one_of(st.none(), st.text()))
def test_reading_never_raises(values: list[object], header: str | None) -> None:
    assert isinstance(read_lineage(values, header), Lineage)


def test_malformed_values_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "hotpeers_shim"):
        for _ in range(1_000):
            read_lineage(["secret\n"])
    assert len(caplog.records) <= 10 + 1
    assert "secret" not in caplog.text


def test_of_a_longer_chain_the_newest_names_are_kept_and_every_call_is_too_deep() -> None:
    found = read_lineage([[f"team/a{n}" for n in range(1_000_000)]])
    assert found.names[-1] == "team/a999999"
    assert len(found.names) == MAX_DEPTH
    objection = Link("team/me", found, MAX_DEPTH).objection("team", "x")
    assert objection is not None
    assert objection.problem is CallProblem.TOO_DEEP
    assert len(objection.text) < 500


def test_name_is_added_behind_the_others() -> None:
    assert Link("team/c", AB).passed_on.names == ("team/a", "team/b", "team/c")


@pytest.mark.parametrize("name", ["", "my office", "a/b/c", "team/\u0430", "x" * 400, "a,b"])
def test_orchestrator_without_a_usable_name_still_counts(name: str) -> None:
    assert Link(name, AB).passed_on.names == ("team/a", "team/b", UNNAMED)


def test_header_that_would_be_too_long_is_left_out() -> None:
    long = Lineage(tuple(f"team/{'a' * 240}{n}" for n in range(MAX_DEPTH)))
    assert long.headers() == {}
    assert len(long.metadata()[METADATA_KEY]) == MAX_DEPTH
    assert len(AB.headers()[HEADER]) < MAX_HEADER


def test_header_is_found_in_any_case() -> None:
    assert header_of({"Accept": "x", "X-HotPeers-Lineage": "a/b"}) == "a/b"
    assert header_of({"accept": "x"}) is None


@pytest.mark.parametrize(
    ("name", "lineage", "peer"),
    [
        ("team/a", Lineage(), "a"),
        ("team/b", Lineage(("team/a",)), "a"),
        ("team/c", AB, "b"),
        # Its caller did not notice: the name of its peer is another one.
        ("team/a", AB, "c"),
        ("team/c", Lineage(("team/a", "team/x", "team/a")), "a"),
    ],
)
def test_a_loop_is_refused(name: str, lineage: Lineage, peer: str) -> None:
    objection = Link(name, lineage).objection("team", peer)
    assert objection is not None
    assert objection.problem is CallProblem.LOOP
    assert " -> " in objection.text
    assert "yourself" in objection.text


@pytest.mark.parametrize(
    ("name", "lineage", "namespace", "peer"),
    [
        ("team/b", Lineage(("team/a",)), "team", "c"),
        # Another namespace is another agent; so is another case.
        ("team/b", Lineage(("team/a",)), "other", "a"),
        ("team/b", Lineage(("team/a",)), "", "a"),
        ("team/b", Lineage(("team/a",)), "team", "A"),
        # Agents without a name are not known to be the same.
        ("", Lineage((UNNAMED,)), "team", "a"),
        (UNNAMED, Lineage((UNNAMED,)), "team", "a"),
        # A loop among others before is not ours.
        ("team/c", Lineage(("team/x", "team/a", "team/x")), "team", "b"),
    ],
)
def test_other_calls_are_made(name: str, lineage: Lineage, namespace: str, peer: str) -> None:
    assert Link(name, lineage).objection(namespace, peer) is None


def test_chain_ends_at_the_configured_depth() -> None:
    lineage, made = Lineage(), 0
    for number in range(10):
        caller = Link(f"team/a{number}", lineage, max_depth=3)
        objection = caller.objection("team", f"a{number + 1}")
        if objection is not None:
            break
        lineage, made = caller.passed_on, made + 1
    assert made == 3
    assert objection is not None
    assert objection.problem is CallProblem.TOO_DEEP
    assert "At most 3 agents" in objection.text
    assert "team/a0 -> team/a1 -> team/a2 -> team/a3 -> team/a4" in objection.text


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([], ()),
        ([b"team/a, team/b"], ("team/a", "team/b")),
        ([b"team/a", b"team/b"], ("team/a", "team/b")),
        ([b"team/a", b"\xff"], ()),
        ([b"team/a"] * 10_000, ()),
    ],
)
def test_header_of_a_request_may_have_several_lines(
    lines: list[bytes], names: tuple[str, ...]
) -> None:
    def read() -> tuple[str, ...]:
        headers = [(b"host", b"x"), *((HEADER.encode(), line) for line in lines)]
        incoming.note_request({"type": "http", "headers": headers})
        return incoming.current().names

    assert contextvars.copy_context().run(read) == names
