"""The live peers of all orchestrators that may see the same: they are resolved once for all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hotpeers_shim.calls import wire
from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import PeerFile

from ...base.origin import Origin
from ...model.orchestrator import Orchestrator
from ...model.selector import Selector
from ...model.snapshot import CardKey, Snapshot
from ...sidecar.cards.reader import CardState
from ...sidecar.peerfile.encoding import Encodings
from ...sidecar.resolve.cache import Cache
from ...sidecar.resolve.eligibility import Rules
from ...sidecar.resolve.resolver import resolve
from ...sidecar.resolve.rows import Resolution
from .view import ByNamespace, Home, Selection, allowed_namespaces


@dataclass(frozen=True, slots=True)
class Sight:
    """What decides which peers an orchestrator gets. Orchestrators with the same one share an offer.

    `home` is the namespace of the orchestrator, and `allowed` are the namespaces of its peers. `own`
    is `namespace/name` of its agent if that is a candidate itself, else "".
    """

    home: str
    allowed: frozenset[str]
    selector: Selector
    own: str = ""


def sight_of(one: Orchestrator, homes: Mapping[str, Home], every: ByNamespace) -> Sight:
    """The sight of an orchestrator."""
    allowed = allowed_namespaces(one, homes)
    namespace, name = one.key
    among = any(it.name == name for it in every.get(namespace, ())) and namespace in allowed
    return Sight(namespace, allowed, one.selector, str(one.key) if among else "")


class Offer:
    """The live peers of one sight."""

    def __init__(self, sight: Sight, user_headers_to: frozenset[Origin] = frozenset()) -> None:
        self.catalog = Catalog()
        self.resolution = Resolution()
        self.encoded: Sequence[bytes] = ()
        self._sight = sight
        self._selection = Selection()
        self._rules = Rules(
            namespaces=sight.allowed,
            orchestrator=sight.own,
            home=sight.home,
            user_headers_to=user_headers_to,
        )
        self._cache = Cache()
        self._encodings = Encodings()

    def update(
        self,
        snapshot: Snapshot,
        every: ByNamespace,
        home: Home | None,
        cards: Mapping[CardKey, CardState],
    ) -> bool:
        """Bring the live peers up to date. Returns whether they changed."""
        seen = self._selection.of(self._sight.selector, self._sight.allowed, snapshot, every, home)
        before = self.resolution
        self.resolution = resolve(seen, cards, self._rules, before.peers, self._cache)
        peers = self.resolution.peers
        if peers is before.peers and self.catalog.generation is not None:
            return False
        usable = tuple(filter(wire.usable, peers))
        self.encoded, digest = self._encodings.update(peers)
        # Replicas have no common counter. The clock keeps generations growing at each of them, also
        # over a restart.
        generation = max((self.catalog.generation or 0) + 1, time.time_ns() // 1_000_000)
        file = PeerFile(generation, usable, "", digest)
        self.catalog = replace(self.catalog.advance(file), digest=digest)
        return True
