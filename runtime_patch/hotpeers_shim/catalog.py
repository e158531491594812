"""The live and the removed peers, as pure values. Each peer file makes the next catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .contract import Peer, PeerFile
from .fleet.index import Index

MAX_GONE = 1_000
"""The limit of removed peers in memory. A session itself remembers the peers that it used."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The live peers by tool name, in the file's order, and the peers that were live before.

    `gone` holds only the tool names of removed peers. A model may still call one because of its
    history: such a call then gets an answer instead of an error. `orchestrator` is the
    `namespace/name` of the agent that gets the peers, "" if the file does not say it.
    """

    generation: int | None = None
    digest: str = ""
    peers: Mapping[str, Peer] = field(default_factory=lambda: MappingProxyType({}))
    gone: tuple[str, ...] = ()
    orchestrator: str = ""
    index: Index = field(init=False, repr=False, compare=False)
    """Finds the live peers by name and by query."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", Index(self.peers))

    def advance(self, file: PeerFile) -> Catalog:
        """The catalog after `file` became live."""
        peers = MappingProxyType({peer.toolName: peer for peer in file.peers})
        left = [name for name in self.peers if name not in peers]
        gone = [name for name in self.gone if name not in peers]
        return Catalog(
            file.generation,
            file.digest,
            peers,
            tuple((gone + left)[-MAX_GONE:]),
            file.orchestrator,
        )
