"""The generated pages of docs/ are those that `make docs-pages` would write."""

from hotpeers.cli.explain_text import GROUPS
from hotpeers.remedies import remedies
from kit.docs import DOCS
from kit.docs.pages import generated_pages, stale_pages
from kit.words import every_word

PAGES = generated_pages()


def test_pages_are_up_to_date() -> None:
    old = [name for name, text in PAGES.items() if (DOCS / name).read_text("utf-8") != text]
    assert not old, "run `make docs-pages`"


def test_each_reason_has_a_page_and_each_page_a_reason() -> None:
    words = {word.value for word in every_word()}
    assert {path.stem for path in (DOCS / "reasons").iterdir()} - {"README"} == words
    assert not stale_pages()


def test_each_reason_is_in_one_group() -> None:
    grouped = [word.value for group in GROUPS for word in group.words]
    assert sorted(grouped) == sorted(word.value for word in every_word())


def test_each_page_says_what_to_do() -> None:
    for group in GROUPS:
        for word in group.words:
            advice = PAGES[f"reasons/{word.value}.md"].partition("## What to do\n\n")[2]
            assert len(advice.partition("\n[All reasons]")[0].split()) > 2, word.value


def test_no_text_is_for_a_word_that_does_not_exist() -> None:
    assert set(remedies()) <= {word.value for word in every_word()}
