"""Foreign text: invisible characters are removed, visible ones are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers_shim.contract import clean_text, cut_text, visible_text

# Hidden characters and their neighbours far more often than chance would bring them together.
HOSTILE = st.text(
    st.sampled_from(
        "\x1b[m]\x07\x9b\x9d\u200b\u200c\u200d\ufe0e\ufe0f\u202e\u2066\U000e0041 \n\raم❤👩"
    ),
    max_size=30,
)
ANY = st.text(st.characters(exclude_categories=()), max_size=60) | HOSTILE


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("hi\u202e\u2066\U000e0041\U000e0042\x1b[31m\u200bthere", "hi there"),
        ("a\x00b\x07c\x7f", "abc"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "textlink"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("soft\u00adhyphen, \u034fjoined, \ufeffmark", "softhyphen, joined, mark"),
        ("filler\u3164\u115f\uffa0", "filler"),
        ("p\ue000rivate\U0010fffd", "private"),
        ("half\ud800 a pair", "half a pair"),
        ("a\u200db, a\u200c\u200c\u200db, a\ufe0fb", "ab, ab, ab"),
        ("smuggled" + "".join(chr(0xE0100 + n) for n in range(64)), "smuggled"),
    ],
)
def test_invisible_characters_are_removed(text: str, seen: str) -> None:
    assert visible_text(text) == seen


@pytest.mark.parametrize(
    "text",
    ["👨‍👩‍👧", "👩🏽‍💻", "🏳️‍🌈", "❤️ 1️⃣", "می‌خواهم", "ന്‍", "क्‍ष", "tab\tand\nnewline", "名前 é"],
)
def test_characters_of_scripts_and_emoji_are_kept(text: str) -> None:
    assert visible_text(text) == text


@given(ANY)
def test_cleaning_once_is_enough(text: str) -> None:
    clean = visible_text(text)
    assert visible_text(clean) == clean
    clean.encode()
    assert "\x1b" not in clean
    assert "\r" not in clean


@given(ANY, st.integers(2, 40))
def test_cleaned_line_is_short_and_stable(text: str, limit: int) -> None:
    line = clean_text(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert line == line.strip()
    assert clean_text(line, limit) == line


def test_cut_text_keeps_both_ends_and_counts_the_removed_characters() -> None:
    text = "".join(chr(97 + n % 26) for n in range(1000))
    cut = cut_text(text, 100, gone=5)
    head, _, rest = cut.partition("\n")
    note, _, tail = rest.partition("\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert str(1000 - len(head) - len(tail) + 5) in note
    assert cut_text(text, 1000) == text
