"""The picture of who may call whom: where its nodes and edges are. Pure functions.

It never has more than a few dozen nodes. A column that is too long ends with a node for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .query import path_of
from .sketch import MOST_NODES, Column, Sketch, sketch_of
from .world import View

_WIDTH, _NODE_WIDTH, _NODE_HEIGHT, _GAP, _TOP = 860, 230, 28, 10, 34
_LABEL = 27
_DENSE = 60
_REST = "…"


@dataclass(frozen=True, slots=True)
class Node:
    """A node with its place. `state` is "ok", "bad" or "unknown"; `link` is "" if it leads nowhere."""

    name: str
    label: str
    title: str
    state: str
    link: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge as a path of SVG, with its width in pixels."""

    path: str
    width: float
    state: str


@dataclass(frozen=True, slots=True)
class Line:
    """One caller in words: whom it may call."""

    caller: str
    link: str
    called: tuple[str, ...]
    more: int
    has_problems: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What to draw. `heads` are the titles of the columns with the place of each.

    The edges of a dense picture are thin, so that one can see through them.
    """

    title: str
    width: int
    height: int
    heads: tuple[tuple[str, int], ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    lines: tuple[Line, ...]
    is_dense: bool
    node_width: int = _NODE_WIDTH
    node_height: int = _NODE_HEIGHT


def picture(view: View, focus: str, now: datetime) -> Picture:
    """The picture of a view at the time `now`.

    `focus` is "", a namespace, or the `namespace/name` of an agent.
    """
    return _placed(sketch_of(view, focus, now))


def _placed(sketch: Sketch) -> Picture:
    """Give each node a place, and cut columns that are too long."""
    columns = [_cut(column) for column in sketch.columns]
    shown = [{name for name in names if name != _REST} for names, _ in columns]
    edges: Counter[tuple[int, str, str]] = Counter()
    for (place, start, end), number in sketch.edges.items():
        left = start if start in shown[place] else _REST
        right = end if end in shown[place + 1] else _REST
        edges[place, left, right] += number
    names = [_sorted(columns[0][0], {}), *[[] for _ in columns[1:]]]
    for place in range(1, len(columns)):
        rows = {name: row for row, name in enumerate(names[place - 1])}
        names[place] = _sorted(columns[place][0], _middles(edges, place - 1, rows))
    tallest = max(len(column) for column in names)
    height = _TOP + max(tallest, 1) * (_NODE_HEIGHT + _GAP) + _GAP
    step = (_WIDTH - _NODE_WIDTH) // (len(names) - 1)
    places: dict[tuple[int, str], Node] = {}
    for number, column in enumerate(names):
        top = _TOP + (height - _TOP - len(column) * (_NODE_HEIGHT + _GAP)) // 2
        for row, name in enumerate(column):
            y = top + row * (_NODE_HEIGHT + _GAP)
            others = columns[number][1]
            places[number, name] = _node(sketch, (number, name), others, number * step, y)
    heads = tuple(
        (f"{column.title} ({len(column.names):,})", number * step)
        for number, column in enumerate(sketch.columns)
    )
    most = max(edges.values(), default=1)
    widest = 5.0 if len(edges) <= _DENSE else 1.5
    drawn = tuple(
        _edge(places[place, start], places[place + 1, end], widest * (number - 1) / most, sketch)
        for (place, start, end), number in edges.items()
    )
    lines = tuple(_lines(sketch))
    is_dense = len(edges) > _DENSE
    nodes = tuple(places.values())
    return Picture(sketch.title, _WIDTH, height, heads, nodes, drawn, lines, is_dense)


def _cut(column: Column) -> tuple[list[str], int]:
    """The names to draw, and the number of the others."""
    if len(column.names) <= MOST_NODES:
        return column.names, 0
    return [*column.names[: MOST_NODES - 1], _REST], len(column.names) - MOST_NODES + 1


def _sorted(names: Sequence[str], middles: dict[str, float]) -> list[str]:
    return sorted(names, key=lambda name: (name == _REST, middles.get(name, 0.0), name))


def _middles(
    edges: Counter[tuple[int, str, str]], place: int, rows: dict[str, int]
) -> dict[str, float]:
    """The mean row of the neighbours of each node: in this order, few edges cross."""
    sums: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for at, start, end in edges:
        if at == place:
            sums[end] += rows[start]
            numbers[end] += 1
    return {end: sums[end] / numbers[end] for end in numbers}


def _node(sketch: Sketch, key: tuple[int, str], others: int, x: int, y: int) -> Node:
    name = key[1]
    if name == _REST:
        return Node(name, f"{others:,} more", f"{others:,} more", "unknown", "", x, y)
    note = sketch.notes.get(key, "")
    state = "bad" if key in sketch.bad else "unknown" if key in sketch.unknown else "ok"
    if not note and any(end == name for _, end in sketch.failing):
        state, note = "bad", "calls fail"
    title = f"{name} ({note})" if note else name
    label = f"{name} ({sketch.sizes[key]})" if key in sketch.sizes else name
    label = _shortened(label)
    link = sketch.links.get(name, "")
    if not link and "/" in name:
        link = f"/picture?focus={path_of(name)[1:]}"
    return Node(name, label, title, state, link, x, y)


def _shortened(label: str) -> str:
    """A label that fits. Its end differs more often than its middle, so both ends are kept."""
    if len(label) <= _LABEL:
        return label
    end = _LABEL * 3 // 5
    return f"{label[: _LABEL - end - 1]}…{label[-end:]}"


def _edge(start: Node, end: Node, more: float, sketch: Sketch) -> Edge:
    x1, y1 = start.x + _NODE_WIDTH, start.y + _NODE_HEIGHT // 2
    x2, y2 = end.x, end.y + _NODE_HEIGHT // 2
    bend = (x2 - x1) // 2
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    failing = (start.name, end.name) in sketch.failing
    return Edge(path, round(1.5 + more, 1), "bad" if failing else "ok")


def _lines(sketch: Sketch) -> Iterable[Line]:
    """The picture in words, with as many names as the picture could have."""
    called: dict[str, list[str]] = {name: [] for name in sketch.columns[0].names[:MOST_NODES]}
    for _, start, end in sketch.edges:
        if start in called or len(called) < MOST_NODES:
            called.setdefault(start, []).append(end)
    bad = {name for _, name in sketch.bad}
    for caller, ends in called.items():
        yield Line(
            caller,
            sketch.links.get(caller, ""),
            tuple(ends[:MOST_NODES]),
            max(len(ends) - MOST_NODES, 0) + sketch.unnamed[caller],
            caller in bad,
        )
