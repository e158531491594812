"""The picture of who may call whom: which nodes and edges to draw, and where. Pure functions.

A small cluster is drawn as it is. A larger one is drawn by namespace, and each namespace leads to its own
picture. So the picture never has more than a few dozen nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..overview.summary import Orchestrator, Severity, problems_of
from ..page.formats import count
from .query import orchestrator_path, path_of
from .world import View

MOST_NODES = 40
"""The most nodes in one column. The rest is one node."""
_SMALL = 40
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


@dataclass
class _Column:
    title: str
    names: list[str]


@dataclass
class _Sketch:
    """Names and edges before they have places. An edge is between neighbouring columns.

    The keys of `bad`, `unknown`, `notes` and `sizes` have the number of the column: a name may be in
    several, with another meaning in each.
    """

    title: str
    columns: list[_Column]
    edges: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    bad: set[tuple[int, str]] = field(default_factory=set)
    unknown: set[tuple[int, str]] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    notes: dict[tuple[int, str], str] = field(default_factory=dict)
    sizes: dict[tuple[int, str], int] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)
    failing: set[tuple[str, str]] = field(default_factory=set)


def picture(view: View, focus: str, now: datetime) -> Picture:
    """The picture of a view at the time `now`.

    `focus` is "", a namespace, or the `namespace/name` of an agent.
    """
    if "/" in focus:
        return _placed(_around(view, focus, now))
    if focus:
        orchestrators = [one for one in view.orchestrators if one.key.namespace == focus]
        return _placed(_direct(f"Who may call whom: namespace {focus}", orchestrators, now))
    names = {peer.peer for one in view.orchestrators for peer in one.status.offered}
    if len(view.orchestrators) <= _SMALL and len(names) <= _SMALL:
        return _placed(_direct("Who may call whom", view.orchestrators, now))
    return _placed(_by_namespace(view.orchestrators, now))


def state_of(one: Orchestrator, now: datetime) -> str:
    """The state of an orchestrator: "ok", "bad" or "unknown". A refusal alone is not bad."""
    severities = {problem.severity for problem in problems_of(one, now)}
    if Severity.ERROR in severities:
        return "bad"
    return "unknown" if Severity.UNKNOWN in severities else "ok"


def _direct(title: str, orchestrators: Sequence[Orchestrator], now: datetime) -> _Sketch:
    """Each orchestrator with each of its peers; with their namespaces, if there are too many of them."""
    callers = [str(one.key) for one in orchestrators]
    sketch = _Sketch(title, [_Column("orchestrators", callers), _Column("may call", [])])
    for one in orchestrators:
        _describe(sketch, one, now)
    failing = {end for _, end in sketch.failing}
    called = Counter(peer.peer for one in orchestrators for peer in one.status.offered)
    many = len(called) > MOST_NODES
    ends = {name: _namespace(name) if many and name not in failing else name for name in called}
    for one in orchestrators:
        for peer in one.status.offered:
            sketch.edges[0, str(one.key), ends[peer.peer]] += 1
    # What fails comes first, so that it is drawn in any case.
    sketch.columns[1].names = sorted(
        {*ends.values()}, key=lambda name: (name not in failing, -called[name], name)
    )
    if many:
        for place, number in Counter(ends.values()).items():
            if place not in called:
                sketch.notes[1, place], sketch.sizes[1, place] = f"{number} peers", number
                sketch.links[place] = f"/peers?q={path_of(place)[1:]}%2F"
    return sketch


def _namespace(name: str) -> str:
    return name.partition("/")[0]


def _around(view: View, focus: str, now: datetime) -> _Sketch:
    """An agent between those that may call it and those that it may call."""
    callers = [
        one
        for one in view.orchestrators
        if str(one.key) != focus and any(peer.peer == focus for peer in one.status.offered)
    ]
    own = view.by_name.get(focus)
    called = _ordered(peer.peer for peer in own.status.offered) if own else []
    sketch = _Sketch(
        f"Who may call {focus}, and whom it may call",
        [
            _Column("may call it", [str(one.key) for one in callers]),
            _Column("agent", [focus]),
            _Column("it may call", called),
        ],
    )
    for one in callers:
        _describe(sketch, one, now)
        sketch.edges[0, str(one.key), focus] += 1
    if own is None:
        sketch.unknown.add((1, focus))
        return sketch
    _describe(sketch, own, now, 1)
    for peer in own.status.offered:
        sketch.edges[1, focus, peer.peer] += 1
    return sketch


def _by_namespace(orchestrators: Sequence[Orchestrator], now: datetime) -> _Sketch:
    """Namespaces of orchestrators with namespaces of their peers."""
    edges: Counter[tuple[int, str, str]] = Counter()
    members: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    for one in orchestrators:
        members[one.key.namespace] += 1
        bad[one.key.namespace] += state_of(one, now) == "bad"
        for peer in one.status.offered:
            edges[0, one.key.namespace, _namespace(peer.peer)] += 1
    called = _ordered(end for _, _, end in edges.elements())
    callers = [name for name, _ in members.most_common()]
    sketch = _Sketch(
        "Who may call whom, by namespace",
        [_Column("orchestrators in", callers), _Column("may call peers in", called)],
        edges,
    )
    for name, number in members.items():
        worst = f", {bad[name]} with problems" if bad[name] else ""
        sketch.notes[0, name] = f"{count(number, 'orchestrator')}{worst}"
        sketch.sizes[0, name] = number
        sketch.links[name] = f"/picture?focus={path_of(name)[1:]}"
        if bad[name]:
            sketch.bad.add((0, name))
    peers = {peer.peer for one in orchestrators for peer in one.status.offered}
    for name, number in Counter(map(_namespace, peers)).items():
        sketch.notes[1, name], sketch.sizes[1, name] = count(number, "peer"), number
        sketch.links.setdefault(name, f"/peers?q={path_of(name)[1:]}%2F")
    return sketch


def _describe(sketch: _Sketch, one: Orchestrator, now: datetime, column: int = 0) -> None:
    name, status = str(one.key), one.status
    sketch.links[name] = orchestrator_path(name)
    state = state_of(one, now)
    if state == "bad":
        sketch.bad.add((column, name))
    elif state == "unknown":
        sketch.unknown.add((column, name))
    sketch.notes[column, name] = f"{status.peers or 0} peers, {status.ready} ready"
    sketch.unnamed[name] = max((status.peers or 0) - len(status.offered), 0)
    for replica in status.replicas:
        sketch.failing.update((name, failing.peer) for failing in replica.failing)


def _ordered(names: Iterable[str]) -> list[str]:
    """Names without repetition, the most frequent first."""
    return [name for name, _ in Counter(names).most_common()]


def _placed(sketch: _Sketch) -> Picture:
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


def _cut(column: _Column) -> tuple[list[str], int]:
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


def _node(sketch: _Sketch, key: tuple[int, str], others: int, x: int, y: int) -> Node:
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


def _edge(start: Node, end: Node, more: float, sketch: _Sketch) -> Edge:
    x1, y1 = start.x + _NODE_WIDTH, start.y + _NODE_HEIGHT // 2
    x2, y2 = end.x, end.y + _NODE_HEIGHT // 2
    bend = (x2 - x1) // 2
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    failing = (start.name, end.name) in sketch.failing
    return Edge(path, round(1.5 + more, 1), "bad" if failing else "ok")


def _lines(sketch: _Sketch) -> Iterable[Line]:
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
