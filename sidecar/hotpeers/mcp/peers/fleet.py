"""The peers that one orchestrator may ask, and how a model names them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Protocol

from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import CallProblem, Peer, clean_text

from ...registry.fault import Fault
from ..reasons import McpReason

_MAX_NAMED = 20


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


def shown_name(peer: Peer) -> str:
    """The name by which a model calls a peer: `namespace/name`, or `name` without a namespace."""
    return f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name


def find_peer(catalog: Catalog, said: str) -> Peer:
    """The peer that a model means.

    It accepts the shown name, the name of the peer's tool in other runtimes, and the name alone if
    only one peer has it; case and surrounding quotes are ignored. Raises `Fault`, with the names
    that come close, if no peer or more than one matches.
    """
    said = clean_text(said, 512).strip("\"'` ")
    found = catalog.peers.get(said)
    if found is not None:
        return found
    peers = catalog.peers.values()
    for matches in (
        lambda peer: shown_name(peer) == said,
        lambda peer: said.casefold() in (shown_name(peer).casefold(), peer.toolName.casefold()),
        lambda peer: peer.name.casefold() == said.casefold(),
    ):
        same = [peer for peer in peers if matches(peer)]
        if len(same) == 1:
            return same[0]
        if same:
            raise Fault(
                McpReason.AGENT_AMBIGUOUS,
                f"{said!r} may be any of: {_some(sorted(map(shown_name, same)))}",
                "Nothing was sent. Ask again with one of these names.",
            )
    raise _unknown(catalog, said)


def _unknown(catalog: Catalog, said: str) -> Fault:
    gone = " It was removed." if said in catalog.gone else ""
    message = f"there is no agent {said!r}.{gone} Nothing was sent"
    if not catalog.peers:
        return Fault(
            McpReason.AGENT_UNKNOWN,
            f"{message}; there are no agents to ask now",
            "Go on without it. Agents may appear later: list_agents shows them.",
        )
    names = {shown_name(peer): peer.name for peer in catalog.peers.values()}
    alike = get_close_matches(said, names, n=_MAX_NAMED, cutoff=0.5)
    alike += [shown for shown, name in names.items() if get_close_matches(said, [name])]
    listed = list(dict.fromkeys([*alike, *sorted(names)]))
    return Fault(
        McpReason.AGENT_UNKNOWN,
        f"{message}; there are: {_some(listed)}",
        "Use one of these names, or find an agent with list_agents.",
    )


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MAX_NAMED} more" if len(every) > _MAX_NAMED else ""
    return ", ".join(every[:_MAX_NAMED]) + more
