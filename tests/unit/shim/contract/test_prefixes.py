"""Prefixes: which URLs are covered, and every known trick to send a secret elsewhere."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers_shim.contract.prefixes import (
    Prefix,
    PrefixError,
    longest,
    parse_prefix,
    place_of,
)


@dataclass(frozen=True)
class Entry:
    prefix: Prefix


def covers(prefix: str, url: str) -> bool:
    return longest([Entry(parse_prefix(prefix))], url) is not None


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example", "https://a.example/"),
        ("https://a.example/", "https://a.example/any/path?q=/..#x"),
        ("HTTPS://A.Example:443", "https://a.example/x"),
        ("https://a.example", "https://A.EXAMPLE:443/x"),
        ("http://a.example:80", "http://a.example/x"),
        ("https://a.example/team", "https://a.example/team"),
        ("https://a.example/team/", "https://a.example/team/"),
        ("https://a.example/team", "https://a.example/team/agents/x"),
        ("https://a.example/team", "https://a.example/t%65am/x"),
        ("https://a.example/team", "https://a.example/team?next=/../other"),
        ("http://[::1]:8080/a", "http://[0:0:0:0:0:0:0:1]:8080/a/b"),
        ("http://agent_1.team:8080", "http://agent_1.team:8080/"),
    ],
)
def test_url_below_a_prefix_is_covered(prefix: str, url: str) -> None:
    assert covers(prefix, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/team/x",
        "https://a.example:444/team/x",
        "https://a.example:0/team/x",
        "https://a.example.evil/team/x",
        "https://evil.a.example/team/x",
        "https://a.example./team/x",
        "https://a.example@evil.example/team/x",
        "https://user@a.example/team/x",
        "https://user:password@a.example/team/x",
        "https://evil.example/https://a.example/team",
        "https://evil.example#@a.example/team",
        "https://evil.example\\@a.example/team",
        "https:\\\\a.example\\team",
        "//a.example/team",
        "https:/a.example/team",
        "https://a.example/",
        "https://a.example/teams",
        "https://a.example/tea",
        "https://a.example/TEAM/x",
        "https://a.example//team/x",
        "https://a.example/team//x",
        "https://a.example/team/../other",
        "https://a.example/team/..",
        "https://a.example/other/../team/x",
        "https://a.example/./team/x",
        "https://a.example/team/%2e%2e/other",
        "https://a.example/team/%2E%2E/other",
        "https://a.example/team/.%2e/other",
        "https://a.example/team/..%2fother",
        "https://a.example/team%2f..%2fother",
        "https://a.example/team%5c..%5cother",
        "https://a.example/team/%252e%252e/other",
        "https://a.example/team\\..\\other",
        "https://a.example/team/..;/other",
        "https://a.example/team;x=1/y",
        "https://a.example/team/%3b/y",
        "https://a.example/team/%00",
        "https://a.example/team/%0d%0ax",
        "https://a.example/team/%zz",
        "https://a.example/team/%",
        "https://a.example/team/%ff",
        "https://a.example/team/ x",
        "https://a.example/te\u0430m/x",
        "https://\u0430.example/team/x",
        "https://a.example:port/team",
        "https://[a.example]/team",
        "ftp://a.example/team",
        "",
    ],
)
def test_url_elsewhere_or_ambiguous_is_not_covered(url: str) -> None:
    assert not covers("https://a.example/team", url)


@pytest.mark.parametrize(
    "text",
    [
        "a.example",
        "https://",
        "https://user:secret@a.example",
        "https://a.example/team?key=secret",
        "https://a.example/team#secret",
        "https://a.example/a/../secret",
        "https://a.example/a//secret",
        "https://a.example/%73ecret",
        "https://*.example",
        "https://a.example/" + "x" * 3000,
        "file:///secret",
        "https://a.example:99999",
        "https://a.example[::1]",
    ],
)
def test_bad_prefix_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(PrefixError) as caught:
        parse_prefix(text)
    assert "secret" not in str(caught.value)


def test_longest_prefix_wins_in_any_order() -> None:
    entries = [Entry(parse_prefix(f"https://g.example{path}")) for path in ("/a", "", "/a/b")]
    for order in (entries, entries[::-1]):
        chosen = {
            path: str(found.prefix) if (found := longest(order, f"https://g.example{path}")) else ""
            for path in ("/a/b/c", "/a/bc", "/ab", "/a")
        }
        assert chosen == {
            "/a/b/c": "https://g.example/a/b",
            "/a/bc": "https://g.example/a",
            "/ab": "https://g.example",
            "/a": "https://g.example/a",
        }


@given(st.text(max_size=60))
def test_any_text_is_a_normalized_place_or_none(text: str) -> None:
    found = place_of("https://a.example/" + text)
    if found is not None:
        assert (found.scheme, found.host, found.port) == ("https", "a.example", 443)
        assert not {"", ".", ".."} & set(found.path)
        # The displayed form leads to the same place.
        assert all("/" not in segment and "\\" not in segment for segment in found.path)
