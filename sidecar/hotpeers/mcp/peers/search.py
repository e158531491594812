"""Finds peers by a query: by exact name, by namespace or tag, and by what they do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import Peer

from ..ranking import Document, Ranking
from .fleet import shown_name

_NAMESPACE, _TAG = "namespace:", "tag:"


@dataclass(frozen=True, slots=True)
class Found:
    """The best peers of a query, and how many match in all."""

    peers: tuple[Peer, ...]
    total: int


class Search:
    """Searches one catalog after another. The index of a catalog is made at its first query."""

    def __init__(self) -> None:
        self._indexed: Catalog | None = None
        self._peers: tuple[Peer, ...] = ()
        self._ranking: Ranking | None = None
        self._lock = asyncio.Lock()

    async def find(self, catalog: Catalog, query: str, limit: int) -> Found:
        """The peers that match, the best first; without a query all, by name."""
        every = sorted(catalog.peers.values(), key=shown_name)
        query = query.strip()
        if not query:
            return Found(tuple(every[:limit]), len(every))
        browsed = _browse(every, query)
        if browsed is not None:
            return Found(tuple(browsed[:limit]), len(browsed))
        named = [one for one in every if query.casefold() in _names(one)]
        ranked = await self._ranked(catalog, query, limit)
        both = list({id(one): one for one in (*named, *ranked)}.values())
        return Found(tuple(both[:limit]), len(both))

    async def _ranked(self, catalog: Catalog, query: str, limit: int) -> list[Peer]:
        async with self._lock:
            if self._indexed is not catalog or self._ranking is None:
                if self._ranking is not None:
                    self._ranking.close()
                    self._ranking = None
                self._peers = tuple(catalog.peers.values())
                self._ranking = await asyncio.to_thread(Ranking, list(map(_document, self._peers)))
                self._indexed = catalog
            hits = await asyncio.to_thread(self._ranking.search, query, limit)
            return [self._peers[number] for number, _ in hits]


def _browse(peers: list[Peer], query: str) -> list[Peer] | None:
    """The peers of `namespace:x` or `tag:x`; None if the query is neither."""
    folded = query.casefold()
    if folded.startswith(_NAMESPACE):
        wanted = folded.removeprefix(_NAMESPACE).strip()
        return [one for one in peers if one.namespace.casefold() == wanted]
    if folded.startswith(_TAG):
        wanted = folded.removeprefix(_TAG).strip()
        return [one for one in peers if wanted in _tags(one)]
    return None


def _names(peer: Peer) -> tuple[str, ...]:
    return tuple(name.casefold() for name in (shown_name(peer), peer.name, peer.toolName))


def _tags(peer: Peer) -> set[str]:
    return {tag.casefold() for skill in peer.skills for tag in skill.tags}


def _document(peer: Peer) -> Document:
    skills = peer.skills
    return Document(
        name=peer.name,
        title=" ".join(skill.name or skill.id for skill in skills),
        description=peer.description,
        uses=" ".join(
            [peer.namespace, *(f"{one.description} {' '.join(one.tags)}" for one in skills)]
        ),
    )
