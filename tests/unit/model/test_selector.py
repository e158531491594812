"""Label selectors, as Kubernetes reads them."""

import pytest

from hotpeers.model.selector import SelectorError, parse_selector

LABELS = {"app": "web", "tier": "gold", "example.com/x": "1", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier = gold", True),
        ("app=api", False),
        ("app=web,tier=tin", False),
        ("app!=web", False),
        ("app!=api", True),
        ("missing!=web", True),
        ("missing=web", False),
        ("app in (web, api)", True),
        ("app in(api)", False),
        ("app notin (web)", False),
        ("missing notin (web)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("! app", False),
        ("example.com/x=1", True),
        ("empty=", True),
        ("app=", False),
        ("in in (a)", False),
        ("app in (api),tier", False),
    ],
)
def test_selects(text: str, expected: bool) -> None:
    assert parse_selector(text).matches(LABELS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "=web",
        "app=web tier=gold",
        "app in web",
        "app in (a b)",
        "a,,b",
        "a,",
        ",a",
        "!",
        "a=b=c",
        "a/b/c",
        "-a",
        "app>1",
        "app in (a",
        "a\x00",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)
