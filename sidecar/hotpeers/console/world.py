"""Everything that is known of the cluster, by namespace, and the number of the last change of each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ..overview.summary import Orchestrator
from .records import AgentRecord, PeerRecord, PolicyRecord, Record

_GATHER_SECONDS = 0.02
_PACE_SECONDS = 0.1
_MOST_VIEWS = 64


@dataclass(frozen=True, slots=True)
class Visible:
    """The namespaces that a user may see; `everything` stands for all of them, also later ones."""

    everything: bool = False
    namespaces: frozenset[str] = frozenset()

    def has(self, namespace: str) -> bool:
        """Whether the user may see this namespace."""
        return self.everything or namespace in self.namespaces


@dataclass(frozen=True)
class View:
    """What one user may see. `version` changes with it."""

    version: str
    visible: Visible
    orchestrators: tuple[Orchestrator, ...] = ()
    peers: tuple[PeerRecord, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    policies: tuple[PolicyRecord, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Orchestrator]:
        """The Orchestrators by `namespace/name`."""
        return {str(one.key): one for one in self.orchestrators}


@dataclass
class _Shelf:
    """The records of one namespace, by kind and name."""

    kinds: dict[str, dict[tuple[str, str], Record]] = field(default_factory=dict)
    changed: int = 0


class World:
    """The records of the cluster. `changes` waits for the next change of anything.

    Versions begin with a random text, so that a page of an earlier process is never taken for current.
    """

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._clock = 0
        self._touched = 0
        self._boot = secrets.token_hex(4)
        self._dirty = asyncio.Event()
        self._published = asyncio.Event()
        self._views: dict[tuple[Visible, str], View] = {}

    def noter(self, kind: str, source: str = "") -> Callable[[Record | None, Record | None], None]:
        """A callback for the changed records of a kind. `source` tells watches of one kind apart."""

        def note(before: Record | None, after: Record | None) -> None:
            self.note(kind, before, after, source)

        return note

    def note(
        self, kind: str, before: Record | None, after: Record | None, source: str = ""
    ) -> None:
        """Replace a record. None stands for a missing one."""
        one = before if after is None else after
        if one is None:
            return
        self._clock += 1
        shelf = self._shelves.setdefault(one.key.namespace, _Shelf())
        shelf.changed = self._clock
        records = shelf.kinds.setdefault(kind, {})
        if after is not None:
            records[one.key.name, source] = after
        else:
            records.pop((one.key.name, source), None)
            if not any(shelf.kinds.values()):
                del self._shelves[one.key.namespace]  # namespaces come and go
        self._dirty.set()

    def touch(self) -> None:
        """Note a change that belongs to no namespace, such as the state of a watch."""
        self._clock += 1
        self._touched = self._clock
        self._dirty.set()

    def namespaces(self) -> frozenset[str]:
        """The namespaces with at least one record."""
        return frozenset(self._shelves)

    def version(self, visible: Visible) -> str:
        """A text that changes whenever something changes that may be seen."""
        if visible.everything:
            return f"{self._boot}.all.{self._clock}"
        shelves = list(self._seen(visible))
        newest = max((shelf.changed for shelf in shelves), default=0)
        # The number of namespaces tells an emptied one. Without it, the version could stay the same.
        state = f"{max(newest, self._touched)}.{len(shelves)}"
        return f"{self._boot}.{hash(visible.namespaces) & 0xFFFFFFFF:x}.{state}"

    def view(self, visible: Visible) -> View:
        """What may be seen now. Users who may see the same share it."""
        version = self.version(visible)
        key = (visible, version)
        found = self._views.get(key)
        if found is None:
            while len(self._views) >= _MOST_VIEWS:
                del self._views[next(iter(self._views))]
            found = self._views[key] = self._view(visible, version)
        return found

    async def publish(self) -> None:
        """Wake up those who wait for `changes`, until cancelled: once for each burst of changes."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._dirty.clear()
            self._published.set()
            self._published = asyncio.Event()
            await asyncio.sleep(_PACE_SECONDS)

    async def changes(self) -> None:
        """Wait for the next change."""
        await self._published.wait()

    def _seen(self, visible: Visible) -> Iterator[_Shelf]:
        for namespace in visible.namespaces:
            shelf = self._shelves.get(namespace)
            if shelf is not None:
                yield shelf

    def _view(self, visible: Visible, version: str) -> View:
        shelves = list(self._shelves.values() if visible.everything else self._seen(visible))

        def all_of(kind: str) -> Iterable[Record]:
            found = [one for shelf in shelves for one in shelf.kinds.get(kind, {}).values()]
            return sorted(found, key=lambda one: one.key)

        return View(
            version,
            visible,
            orchestrators=tuple(all_of("orchestrators")),  # type: ignore[arg-type]
            peers=tuple(all_of("peers")),  # type: ignore[arg-type]
            agents=tuple(all_of("agents")),  # type: ignore[arg-type]
            policies=tuple(all_of("policies")),  # type: ignore[arg-type]
        )
