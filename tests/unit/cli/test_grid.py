"""Tables: whole without a terminal, and never wider than the terminal."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hotpeers.cli.grid import Column, table

COLUMNS = (
    Column("NAME", least=8),
    Column("STATE", drop=1),
    Column("AGE", drop=2, right=True),
    Column("PROBLEM"),
)
ROWS = [
    ("concierge-with-a-long-name", ("problem", "red"), "5m", "CardUnavailable: it is not there"),
    ("b", "ok", "10d", ""),
]


def lines(width: int | None, *, wrap: bool = False) -> list[str]:
    return [line.plain for line in table(COLUMNS, ROWS, width, wrap=wrap)]


def test_without_a_terminal_rows_are_whole() -> None:
    assert lines(None) == [
        "NAME                        STATE    AGE  PROBLEM",
        "concierge-with-a-long-name  problem   5m  CardUnavailable: it is not there",
        "b                           ok       10d",
    ]


def test_on_a_narrow_terminal_columns_are_left_out_and_texts_cut() -> None:
    assert lines(62) == [
        "NAME                        STATE    PROBLEM",
        "concierge-with-a-long-name  problem  CardUnavailable: it is n…",
        "b                           ok",
    ]
    assert lines(30) == [
        "NAME          PROBLEM",
        "concierge-w…  CardUnavailable…",
        "b",
    ]


def test_texts_are_wrapped_beside_or_below_the_other_columns() -> None:
    assert lines(62, wrap=True)[1:3] == [
        "concierge-with-a-long-name  problem  CardUnavailable: it is",
        "                                     not there",
    ]
    assert lines(30, wrap=True)[1:4] == [
        "concierge-with-a-long-name",
        "    CardUnavailable: it is not",
        "    there",
    ]


def test_empty_columns_and_tables_are_left_out() -> None:
    assert table(COLUMNS, [], 80) == []
    assert [one.plain for one in table(COLUMNS, [("a", "", "", "")], 80)] == ["NAME", "a"]


def test_text_without_any_room_is_below() -> None:
    rows = [("", "", "", "a"), ("a" * 12, "", "", "")]
    found = [line.plain for line in table(COLUMNS, rows, 14, wrap=True)]
    assert found == ["NAME", "", "    a", "a" * 12]


TEXTS = st.text(st.sampled_from("ab 漢字é́😀-"), max_size=40).map(str.strip)


@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), max_size=5), st.integers(14, 60), st.booleans()
)
def test_no_line_is_wider_than_the_terminal(
    rows: list[tuple[str, str, str, str]], width: int, wrap: bool
) -> None:
    for line in table(COLUMNS, rows, width, wrap=wrap):
        assert cell_len(line.plain) <= width
