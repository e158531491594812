"""The part of a cluster that one orchestrator may see. Pure, except for a cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...base.view import read_view
from ...model.cluster import NamespaceObject
from ...model.invitation import invites, readers_of
from ...model.orchestrator import EVERY_NAMESPACE, Orchestrator
from ...model.selector import Selector
from ...model.snapshot import Candidate, Snapshot

ByNamespace = Mapping[str, tuple[Candidate, ...]]


@dataclass(frozen=True, slots=True)
class Home:
    """A Namespace: its labels, and the readers that it invites."""

    name: str
    labels: Mapping[str, str]
    readers: frozenset[str]


def read_home(data: Any) -> Home:
    """A Namespace. Raises `MalformedError`."""
    metadata = read_view(NamespaceObject, data).metadata
    return Home(metadata.name, metadata.labels, readers_of(metadata.annotations))


def by_namespace(candidates: Iterable[Candidate], before: ByNamespace) -> ByNamespace:
    """The candidates of each namespace; the same tuple as in `before` where none changed."""
    found: defaultdict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        found[one.namespace].append(one)
    return {name: _same(before.get(name, ()), ones) for name, ones in found.items()}


def _same(before: tuple[Candidate, ...], now: list[Candidate]) -> tuple[Candidate, ...]:
    if len(before) == len(now) and all(map(lambda a, b: a is b, before, now)):
        return before
    return tuple(now)


def allowed_namespaces(one: Orchestrator, homes: Mapping[str, Home]) -> frozenset[str]:
    """The namespaces whose peers an orchestrator may see: its own, and those that invite it.

    Of the others, it gets only the ones that it asks for.
    """
    own = one.key.namespace
    asked = homes if EVERY_NAMESPACE in one.namespaces else one.namespaces or {own}
    return frozenset(
        name
        for name in asked
        if name == own or (name in homes and invites(homes[name].readers, own))
    )


def uninvited_namespaces(one: Orchestrator, homes: Mapping[str, Home]) -> list[str]:
    """The namespaces that an orchestrator names, and that do not exist or do not invite it."""
    return sorted(one.namespaces - {EVERY_NAMESPACE} - allowed_namespaces(one, homes))


@dataclass(slots=True)
class Selection:
    """Selects candidates by one selector. Unchanged namespaces are not matched again."""

    _selected: dict[str, tuple[tuple[Candidate, ...], tuple[Candidate, ...]]] = field(
        default_factory=dict
    )

    def of(
        self,
        selector: Selector,
        allowed: Iterable[str],
        snapshot: Snapshot,
        every: ByNamespace,
        home: Home | None,
    ) -> Snapshot:
        """The snapshot that orchestrators in the namespace `home` may see."""
        selected: dict[str, tuple[tuple[Candidate, ...], tuple[Candidate, ...]]] = {}
        chosen: list[Candidate] = []
        for name in sorted(allowed):
            candidates = every.get(name, ())
            before = self._selected.get(name)
            if before is None or before[0] is not candidates:
                matches = tuple(c for c in candidates if selector.matches(c.labels))
                before = (candidates, matches)
            selected[name] = before
            chosen += before[1]
        self._selected = selected
        labels = home.labels if home is not None else None
        return replace(snapshot, candidates=tuple(chosen), home_labels=labels)
