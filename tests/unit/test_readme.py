"""The page for troubleshooting names nothing that the product does not say; links lead somewhere."""

import re
from collections import Counter
from pathlib import Path

import pytest

from kit.words import every_word

ROOT = Path(__file__).parents[2]


def test_troubleshooting_uses_only_reason_words_and_links_their_pages() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    linked = re.findall(r"\[`(\w+)`\]\(reasons/(\w+)\.md\)", text)
    assert len(linked) > 30
    assert all(word == page for word, page in linked)
    assert {word for word, _ in linked} <= {str(word) for word in every_word()}


def test_readme_has_at_most_a_hundred_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text()):
        if "://" in target:
            continue
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


def anchors(file: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them from its headings."""
    seen: Counter[str] = Counter()
    found = set()
    for line in file.read_text().splitlines():
        if re.match("#+ ", line):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            name = words.replace(" ", "-")
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return found
