"""What a picture shows: its nodes and edges, before they have places. Pure functions.

A small cluster is drawn as it is. A larger one is drawn by namespace, and each namespace leads to its own
picture.
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


@dataclass
class Column:
    """A column of nodes, those that are drawn in any case first."""

    title: str
    names: list[str]


@dataclass
class Sketch:
    """Names and edges before they have places. An edge is between neighbouring columns.

    The keys of `bad`, `unknown`, `notes` and `sizes` have the number of the column: a name may be in
    several, with another meaning in each. `unnamed` is the number of peers that the status of a caller
    does not name. `failing` has each caller and peer between which calls fail.
    """

    title: str
    columns: list[Column]
    edges: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    bad: set[tuple[int, str]] = field(default_factory=set)
    unknown: set[tuple[int, str]] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    notes: dict[tuple[int, str], str] = field(default_factory=dict)
    sizes: dict[tuple[int, str], int] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)
    failing: set[tuple[str, str]] = field(default_factory=set)


def sketch_of(view: View, focus: str, now: datetime) -> Sketch:
    """The nodes and edges for a view at the time `now`.

    `focus` is "", a namespace, or the `namespace/name` of an agent.
    """
    if "/" in focus:
        return _around(view, focus, now)
    if focus:
        orchestrators = [one for one in view.orchestrators if one.key.namespace == focus]
        return _direct(f"Who may call whom: namespace {focus}", orchestrators, now)
    names = {peer.peer for one in view.orchestrators for peer in one.status.offered}
    if len(view.orchestrators) <= _SMALL and len(names) <= _SMALL:
        return _direct("Who may call whom", view.orchestrators, now)
    return _by_namespace(view.orchestrators, now)


def state_of(one: Orchestrator, now: datetime) -> str:
    """The state of an orchestrator: "ok", "bad" or "unknown". A refusal alone is not bad."""
    severities = {problem.severity for problem in problems_of(one, now)}
    if Severity.ERROR in severities:
        return "bad"
    return "unknown" if Severity.UNKNOWN in severities else "ok"


def _direct(title: str, orchestrators: Sequence[Orchestrator], now: datetime) -> Sketch:
    """Each orchestrator with each of its peers; with their namespaces, if there are too many of them."""
    callers = [str(one.key) for one in orchestrators]
    sketch = Sketch(title, [Column("orchestrators", callers), Column("may call", [])])
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


def _around(view: View, focus: str, now: datetime) -> Sketch:
    """An agent between those that may call it and those that it may call."""
    callers = [
        one
        for one in view.orchestrators
        if str(one.key) != focus and any(peer.peer == focus for peer in one.status.offered)
    ]
    own = view.by_name.get(focus)
    called = _ordered(peer.peer for peer in own.status.offered) if own else []
    sketch = Sketch(
        f"Who may call {focus}, and whom it may call",
        [
            Column("may call it", [str(one.key) for one in callers]),
            Column("agent", [focus]),
            Column("it may call", called),
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


def _by_namespace(orchestrators: Sequence[Orchestrator], now: datetime) -> Sketch:
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
    sketch = Sketch(
        "Who may call whom, by namespace",
        [Column("orchestrators in", callers), Column("may call peers in", called)],
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


def _describe(sketch: Sketch, one: Orchestrator, now: datetime, column: int = 0) -> None:
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
