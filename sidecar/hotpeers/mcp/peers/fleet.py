"""The peers that one orchestrator may ask, and how a model names them."""

from __future__ import annotations

from typing import Protocol

from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import CallProblem, Peer
from hotpeers_shim.fleet.names import NameFault, NameProblem

from ...registry.fault import Fault
from ..reasons import McpReason

_REASONS = {
    NameProblem.UNKNOWN: McpReason.AGENT_UNKNOWN,
    NameProblem.AMBIGUOUS: McpReason.AGENT_AMBIGUOUS,
}


class Fleet(Protocol):
    """The live peers of one orchestrator, and where its calls report to.

    `hotpeers_shim.live.Live` is one: it reads a peer file and writes acks.
    """

    def catalog(self) -> Catalog:
        """The live peers."""
        ...

    def note_called(self, tool: str, /) -> None:
        """Record that a peer answered."""
        ...

    def note_failed(self, tool: str, problem: CallProblem, message: str, /) -> None:
        """Record that a call of a peer failed."""
        ...


async def find_peer(catalog: Catalog, said: str) -> Peer:
    """The peer that a model means by a name (`hotpeers_shim.fleet.names`). Raises `Fault`."""
    try:
        return await catalog.index.peer(said, catalog.gone)
    except NameFault as fault:
        raise Fault(_REASONS[fault.problem], fault.message, fault.advice) from None
