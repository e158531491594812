"""The site that `make docs` has built: each page is there, and loads nothing from other servers."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kit.docs import DOCS, ROOT

SITE = ROOT / "build" / "site"
# Attributes by which a browser loads something by itself. `href` of <a> is not one.
LOADING = {"src", "srcset", "data", "poster", "action", "background"}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    found = {
        path.relative_to(SITE).as_posix(): path.read_text("utf-8") for path in SITE.rglob("*.html")
    }
    assert found, "there is no site: run `make docs`"
    return found


class Loads(HTMLParser):
    """The addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADING or (tag, name) == ("link", "href"):
                self.found.append(value or "")
            if name == "style":
                self.found += re.findall(r"url\(([^)]*)", value or "")


def loads(html: str) -> list[str]:
    parser = Loads()
    parser.feed(html)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL)
    return parser.found + [one for style in styles for one in re.findall(r"url\(([^)]*)", style)]


def is_foreign(address: str) -> bool:
    return re.match(r"\s*['\"]?\s*([a-z][a-z0-9+.-]*:)?//", address, re.IGNORECASE) is not None


def test_foreign_addresses_are_found() -> None:
    page = '<link rel="preconnect" href="https://fonts.example"><img src="//cdn.example/a.png">'
    style = '<style>@font-face {src: url("https://fonts.example/a.woff")}</style><img src="a.png">'
    assert [one for one in loads(page + style) if is_foreign(one)] == [
        "https://fonts.example",
        "//cdn.example/a.png",
        '"https://fonts.example/a.woff"',
    ]


def test_no_page_loads_from_another_server(pages: dict[str, str]) -> None:
    foreign = {
        name: [one for one in loads(page) if is_foreign(one)] for name, page in pages.items()
    }
    assert not {name: found for name, found in foreign.items() if found}


def test_no_page_has_what_makes_the_theme_load_from_another_server(pages: dict[str, str]) -> None:
    # The theme's script fetches a library for diagrams, and numbers of a repository, if a page has them.
    for name, page in pages.items():
        assert 'class="mermaid"' not in page, name
        assert 'data-md-component="source"' not in page, name


def test_no_style_or_picture_loads_from_another_server() -> None:
    for path in [*SITE.rglob("*.css"), *SITE.rglob("*.svg")]:
        text = path.read_text("utf-8")
        found = re.findall(r"url\(([^)]*)|@import\s+(\S+)", text)
        assert not [one for pair in found for one in pair if is_foreign(one)], path.name


def test_each_page_of_the_documentation_is_in_the_site(pages: dict[str, str]) -> None:
    for path in DOCS.rglob("*.md"):
        name = path.relative_to(DOCS).with_suffix(".html").as_posix()
        assert name.replace("README.html", "index.html") in pages, name
    assert "sub-agents" in pages["index.html"]
    assert "CardUnavailable" in pages["reasons/CardUnavailable.html"]


def test_links_of_the_site_lead_somewhere(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        if name == "404.html":  # its links begin at the root of a server
            continue
        for target in re.findall(r'<a [^>]*href="([^"#]*)', page):
            if target and not re.match(r"[a-z]+:", target):
                assert (SITE / Path(name).parent / target).exists(), f"{name}: {target}"
