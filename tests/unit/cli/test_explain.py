"""`hotpeers explain`."""

import pytest
from click.testing import CliRunner

from hotpeers.cli.main import cli
from kit.words import every_word


def explain(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["explain", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_page_has_the_sentence_the_place_and_the_remedy() -> None:
    text = explain("NamespaceNotInvited")
    assert "allowedNamespaces exclude the orchestrator's namespace." in text
    assert "`hotpeers status`" in text
    assert "spec.allowedNamespaces" in text.partition("## What to do")[2]


def test_case_does_not_matter() -> None:
    assert explain("cardinvalid").startswith("# CardInvalid\n")


def test_links_become_names_of_files() -> None:
    text = explain("CallLoop")
    assert "chains of calls (docs/reference/calls.md#chains-of-calls)" in text
    assert "](" not in text


def test_without_a_word_it_lists_all() -> None:
    text = explain()
    for word, sentence in every_word().items():
        assert f"{word.value} " in text
        assert sentence in text


@pytest.mark.parametrize("word", ["cardinvalit", "Nothing", "", "x" * 10_000, "Card\x1b[31m"])
def test_unknown_word_is_an_error_that_helps(word: str) -> None:
    done = CliRunner().invoke(cli, ["explain", word])
    assert (done.exit_code, done.stdout) == (2, "")
    message = done.stderr.removesuffix("\n")
    assert "is not a reason" in message
    assert ("did you mean CardInvalid" in message) == (word == "cardinvalit")
    assert len(message) < 250
    assert message.isprintable()
