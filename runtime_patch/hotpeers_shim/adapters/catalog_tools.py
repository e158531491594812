"""The tools of a catalog, and which of them a step is offered: all, or some of a large fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..catalog import Catalog
from ..contract import Peer
from ..fleet import declared
from ..fleet.declared import Use
from ..live import Live
from . import memory
from .tool import PeerTool


@dataclass(frozen=True, slots=True)
class Choice:
    """The tools of a step, by name.

    `names` are the peers that are declared. `hidden` are peers that can be called all the same: the
    model may do so because of its history. `fleet` is whether `ask_agent` and `list_agents` are
    declared; None if they can only be called.
    """

    names: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    fleet: bool | None = False


class Turn:
    """One turn of an agent. A change of its tools would cost the model's cache of the whole turn."""

    def __init__(self) -> None:
        self.uses: list[Use] | None = None
        """The peers that the session had used before the turn."""
        self.small: Catalog | None = None
        """The last catalog whose peers were all declared in this turn."""
        self.declared: dict[str, None] = {}
        """The peers of large fleets that were declared in this turn."""


class CatalogTools:
    """The tools of one catalog, made when they are needed. All agents share them.

    google-adk 2 copies an agent for each turn.
    """

    def __init__(self, live: Live, catalog: Catalog, before: Mapping[str, PeerTool]) -> None:
        self.catalog = catalog
        self._live = live
        self._max = live.settings.max_tools
        self.is_large = declared.is_large(catalog.peers, self._max)
        self._known = {name: tool for name, tool in before.items() if name in catalog.peers}
        self._pins = (
            declared.pinned(catalog.peers, live.settings.pinned_peers, self._max)
            if self.is_large
            else tuple(catalog.peers)
        )
        self._pinned = frozenset(self._pins)
        self._all = Choice(self._pins), Choice(self._pins, fleet=None)

    @property
    def known(self) -> Mapping[str, PeerTool]:
        """The tools that were made so far, by name."""
        return self._known

    def tool(self, peer: Peer) -> PeerTool:
        """The tool of a live peer."""
        tool = self._known.get(peer.toolName)
        if tool is None or (tool.peer is not peer and tool.peer != peer):
            tool = self._known[peer.toolName] = PeerTool(self._live, peer)
        return tool

    def must_call_directly(self, peer: Peer, agent: str) -> bool:
        """Whether `agent` must call the peer by its own tool, and not by `ask_agent`.

        Callbacks that ask for approval know a tool by its name. They see each call of a peer that
        is pinned, or declared because the fleet is small.
        """
        return peer.toolName in self._pinned and peer.toolName not in self._live.taken(agent)

    def choose(self, turn: Turn, context: Any) -> Choice:
        """The tools of a step of this turn."""
        if turn.uses is None:
            turn.uses = memory.used_peers(context)
        if not self.is_large:
            turn.small = self.catalog
            return self._all[memory.has_used_fleet(context)]
        peers = self.catalog.peers
        names = (*self._pins, *declared.recent(peers, self._pinned, turn.uses, self._max))
        turn.declared |= dict.fromkeys(names)
        callable_ = dict.fromkeys(
            (
                *memory.used_tool_names(context),
                *turn.declared,
                *(turn.small.peers if turn.small is not None else ()),
            )
        )
        shown = frozenset(names)
        hidden = tuple(name for name in callable_ if name in peers and name not in shown)
        return Choice(names, hidden, fleet=True)


class NewestTools:
    """The tools of the newest catalog, which keep those of the one before. Thread-safe."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._made = CatalogTools(live, Catalog(), {})

    def of(self, catalog: Catalog) -> CatalogTools:
        """The tools of the catalog."""
        made = self._made
        if made.catalog is not catalog:
            # Any thread may replace it, as a whole.
            made = self._made = CatalogTools(self.live, catalog, made.known)
        return made
