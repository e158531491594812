"""Finds the peers of one list: by name, by namespace or tag, and by what they do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..contract import Peer
from .background import in_background
from .names import Names, exact_peer, said_name, shown_name
from .plainranking import PlainRanking
from .ranking import Document, Ranker, Ranking, SearchUnavailableError

_NAMESPACE, _TAG = "namespace:", "tag:"


@dataclass(frozen=True, slots=True)
class Found:
    """The best peers of a query, and how many match in all.

    `namespaces` and `tags` count the peers of each, for a query that lists all peers.
    """

    peers: tuple[Peer, ...]
    total: int
    namespaces: Counter[str] | None = None
    tags: Counter[str] | None = None


class Index:
    """Finds the peers of one list, which must not change. Any thread and event loop may use it.

    Each part is made when it is first needed, in a thread: a list that nobody asks costs nothing.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._lock = threading.Lock()
        self._names: Names | None = None
        self._sorted: tuple[Peer, ...] | None = None
        self._ranker: Ranker | None = None

    def __del__(self) -> None:
        # Python 3.13 warns of a database that is collected while it is open.
        if self._ranker is not None:
            self._ranker.close()

    async def peer(self, said: str, gone: Collection[str] = ()) -> Peer:
        """The peer that a model means by a name. Raises `NameFault`."""
        found = exact_peer(self._peers, said_name(said))
        if found is not None:
            return found
        return await in_background(lambda: self.peer_now(said, gone))

    def peer_now(self, said: str, gone: Collection[str] = ()) -> Peer:
        """The same in the calling thread. The first such call takes some 50 ms for 10,000 peers."""
        return self._all_names().find(said, gone)

    async def search(self, query: str, limit: int) -> Found:
        """The peers that match, the best first; without a query all, by name.

        `namespace:NAME` and `tag:NAME` match all peers of a namespace or with a tag.
        """
        return await in_background(lambda: self._search(query.strip(), limit))

    def _search(self, query: str, limit: int) -> Found:
        every = self._all_sorted()
        if not query:
            namespaces = Counter(peer.namespace for peer in every)
            tags = Counter(tag for peer in every for tag in _tags(peer))
            return Found(every[:limit], len(every), namespaces, tags)
        found = _browse(every, query)
        if found is None:
            both = (*self._all_names().called(query), *self._ranked(every, query, limit))
            found = list({peer.toolName: peer for peer in both}.values())
        return Found(tuple(found[:limit]), len(found))

    def _all_names(self) -> Names:
        with self._lock:
            if self._names is None:
                self._names = Names(self._peers)
            return self._names

    def _all_sorted(self) -> tuple[Peer, ...]:
        with self._lock:
            if self._sorted is None:
                self._sorted = tuple(sorted(self._peers.values(), key=shown_name))
            return self._sorted

    def _ranked(self, every: Sequence[Peer], query: str, limit: int) -> list[Peer]:
        # One at a time: a ranking is used by one thread only.
        with self._lock:
            if self._ranker is None:
                self._ranker = make_ranker([_document(peer) for peer in every])
            return [every[number] for number, _ in self._ranker.search(query, limit)]


def make_ranker(documents: Sequence[Document]) -> Ranker:
    """The best ranker that this Python can run."""
    try:
        return Ranking(documents)
    except SearchUnavailableError:
        return PlainRanking(documents)


def _browse(peers: Iterable[Peer], query: str) -> list[Peer] | None:
    """The peers of `namespace:x` or `tag:x`; None if the query is neither."""
    folded = query.casefold()
    if folded.startswith(_NAMESPACE):
        wanted = folded.removeprefix(_NAMESPACE).strip()
        return [peer for peer in peers if peer.namespace.casefold() == wanted]
    if folded.startswith(_TAG):
        wanted = folded.removeprefix(_TAG).strip()
        return [peer for peer in peers if wanted in _tags(peer)]
    return None


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
