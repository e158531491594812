"""Chooses the tools of each step: a tool for each peer, or for some peers of a large fleet."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from google.adk.tools.base_tool import BaseTool

from ..catalog import Catalog
from ..fleet.declared import FLEET_TOOLS
from ..live import Live
from .catalog_tools import Choice, NewestTools, Turn
from .fleet_tools import AskAgent, ListAgents
from .tool import Undeclared

MAX_TURNS = 1_000
"""How many turns are remembered. An older turn that goes on is treated as a new one."""


class Offering:
    """Offers the peers of this process. Thread-safe."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._newest = NewestTools(live)
        self._fleet: tuple[BaseTool, ...] = (AskAgent(self._newest), ListAgents(self._newest))
        self._lock = threading.Lock()
        self._turns: OrderedDict[tuple[str, str], Turn] = OrderedDict()

    def choose(self, catalog: Catalog, agent: str, context: Any) -> Choice:
        """The tools of the step that an agent takes now."""
        return self._newest.of(catalog).choose(self._turn(agent, context), context)

    def _turn(self, agent: str, context: Any) -> Turn:
        invocation = str(getattr(context, "invocation_id", "") or "")
        if not invocation:
            return Turn()
        key = (agent, invocation)
        with self._lock:
            turn = self._turns.get(key)
            if turn is None:
                turn = self._turns[key] = Turn()
                while len(self._turns) > MAX_TURNS:
                    self._turns.popitem(last=False)
        return turn

    def tools(self, catalog: Catalog, choice: Choice, taken: frozenset[str]) -> Iterator[BaseTool]:
        """The tools of a choice, without those whose names the agent itself has taken."""
        of = self._newest.of(catalog)
        if choice.fleet is not False:
            for tool in self._fleet:
                if tool.name not in taken:
                    yield tool if choice.fleet else Undeclared(tool)
        own = taken.union(FLEET_TOOLS) if choice.fleet else taken
        for name in choice.names:
            if name not in own:
                yield of.tool(catalog.peers[name])
        for name in choice.hidden:
            if name not in own:
                yield Undeclared(of.tool(catalog.peers[name]))
