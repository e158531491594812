"""Tables for terminals and pipes.

On a terminal a table fits the width: columns that matter least are left out, then texts are cut or
wrapped. Without a terminal each row is one whole line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

Cell = str | tuple[str, str]
"""A text, or a text with a style of rich."""

_GAP = 2
_LEAST_LAST = 24
"""The last column is not made narrower than this as long as other columns can be left out."""
_LEAST_CUT = 16
"""Nor narrower than this as long as other columns can be cut."""
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Column:
    """A column. On a narrow terminal the column with the highest `drop` goes first; 0 stays.

    A column with `least` may be cut to that width.
    """

    head: str
    drop: int = 0
    least: int = 0
    right: bool = False


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    width: int | None,
    *,
    wrap: bool = False,
) -> list[Text]:
    """The lines of a table with a head, for a terminal of this width; None is for a pipe.

    The last column takes the space that is left. What does not fit is cut, or goes to further lines
    if `wrap` is set. Empty columns are left out.
    """
    given = [list(row) for row in rows]
    if not given:
        return []
    used = [at for at in range(len(columns)) if at == 0 or any(_plain(row[at]) for row in given)]
    heads = [columns[at] for at in used]
    picked = [[row[at] for at in used] for row in given]
    widths = [
        max(cell_len(column.head), *(cell_len(_plain(row[at])) for row in picked))
        for at, column in enumerate(heads)
    ]
    if width is not None:
        heads, picked, widths = _fitted(heads, picked, widths, width, wrap=wrap)
    titles = [
        (one.head if cell_len(one.head) <= room else "", "bold")
        for one, room in zip(heads, widths, strict=True)
    ]
    lines = [_line(heads, titles, widths)]
    for row in picked:
        lines += _row(heads, row, widths, wrap=wrap and width is not None, width=width or 0)
    return lines


def _fitted(
    heads: list[Column], rows: list[list[Cell]], widths: list[int], width: int, *, wrap: bool
) -> tuple[list[Column], list[list[Cell]], list[int]]:
    while _total(widths, last=_LEAST_LAST) > width and any(one.drop for one in heads):
        at = max(range(len(heads)), key=lambda index: heads[index].drop)
        heads = heads[:at] + heads[at + 1 :]
        rows = [row[:at] + row[at + 1 :] for row in rows]
        widths = widths[:at] + widths[at + 1 :]
    widths = list(widths)
    # A text that is wrapped goes below the other columns if there is no room beside them.
    least = 0 if wrap else _LEAST_CUT
    # Cut the widest of the columns that may be cut, a cell at a time.
    while _total(widths, last=least) > width:
        cuttable = [at for at, one in enumerate(heads[:-1]) if 0 < one.least < widths[at]]
        if not cuttable:
            break
        widths[max(cuttable, key=lambda at: widths[at])] -= 1
    room = width - sum(widths[:-1]) - _GAP * (len(widths) - 1)
    widths[-1] = max(min(widths[-1], room), 0 if wrap else 1)
    return heads, rows, widths


def _total(widths: Sequence[int], last: int) -> int:
    return sum(widths[:-1]) + min(widths[-1], last) + _GAP * (len(widths) - 1)


def _row(
    heads: Sequence[Column], row: Sequence[Cell], widths: Sequence[int], *, wrap: bool, width: int
) -> Iterator[Text]:
    text, style = _parts(row[-1])
    if not wrap or cell_len(text) <= widths[-1]:
        yield _line(heads, row, widths)
        return
    if widths[-1] < min(_LEAST_LAST, width - len(_INDENT)):
        # Beside the other columns there would be a letter in a line.
        yield _line(heads[:-1], row[:-1], widths[:-1])
        yield from _wrapped(text, style, width - len(_INDENT), _INDENT)
        return
    first, *rest = _wrapped(text, style, widths[-1], "")
    yield _line(heads, [*row[:-1], (first.plain, style)], widths)
    before = " " * (sum(widths[:-1]) + _GAP * (len(widths) - 1))
    yield from (Text.assemble(before, one) for one in rest)


def _wrapped(text: str, style: str, width: int, indent: str) -> Iterator[Text]:
    line = ""
    for word in _words(text, max(width, 1)):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield Text.assemble(indent, (line, style))
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield Text.assemble(indent, (line, style))


def _words(text: str, width: int) -> Iterator[str]:
    """The words; a word that is longer than a line is split."""
    for word in text.split(" "):
        rest = word
        while cell_len(rest) > width:
            head = set_cell_size(rest, width).rstrip() or rest[:1]
            yield head
            rest = rest[len(head) :]
        yield rest


def _line(heads: Sequence[Column], row: Sequence[Cell], widths: Sequence[int]) -> Text:
    line = Text(no_wrap=True)
    for at, (column, cell, width) in enumerate(zip(heads, row, widths, strict=True)):
        text, style = _parts(cell)
        text = _cut(text, width)
        space = " " * (width - cell_len(text))
        last = at == len(heads) - 1
        line.append(space if column.right else "")
        line.append(text, style)
        if not last:
            line.append(("" if column.right else space) + " " * _GAP)
    line.rstrip()
    return line


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}…" if width > 1 else "…"


def _plain(cell: Cell) -> str:
    return _parts(cell)[0]


def _parts(cell: Cell) -> tuple[str, str]:
    return (cell, "") if isinstance(cell, str) else cell
