"""Which peers are live, and which have gone: pure values, made of one peer file after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .contract import Peer, PeerFile

MAX_GONE = 1_000
"""Most removed peers that are remembered in memory (those that a session used, it remembers)."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The live peers by tool name, in the file's order, and those that were live before.

    `gone` holds names only: what a removed peer's tool was, so that a call from old history is
    answered rather than failed.
    """

    generation: int | None = None
    digest: str = ""
    peers: Mapping[str, Peer] = field(default_factory=lambda: MappingProxyType({}))
    gone: tuple[str, ...] = ()

    def advance(self, file: PeerFile) -> Catalog:
        """The catalog after `file` became live."""
        peers = MappingProxyType({peer.toolName: peer for peer in file.peers})
        left = [name for name in self.peers if name not in peers]
        gone = [name for name in self.gone if name not in peers]
        return Catalog(file.generation, file.digest, peers, tuple((gone + left)[-MAX_GONE:]))
