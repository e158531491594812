"""The one toolset that an agent gets: the live peers as tools, and the removed ones as tombstones."""

from __future__ import annotations

import weakref
from typing import Any

from google.adk.tools.base_tool import BaseTool
from google.adk.tools.base_toolset import BaseToolset

from ..catalog import Catalog
from ..live import Live, guarded
from .memory import used_tool_names
from .tool import PeerTool, Tombstone


class PeerToolset(BaseToolset):  # type: ignore[misc]
    """The peers of one agent, resolved anew on every model step.

    Never raises out of `get_tools`: google-adk drops a toolset that does (`llm_agent.py`,
    `_convert_tool_union_to_tools`), and with it every peer.
    """

    name = "hotpeers"

    def __init__(self, live: Live, agent: Any) -> None:
        super().__init__()
        # The framework would otherwise keep the first step's tools for the whole turn.
        self._use_invocation_cache = False
        self._live = live
        self._agent = weakref.ref(agent)
        self._agent_name = str(agent.name)
        self._catalog: Catalog | None = None
        self._tools: dict[str, PeerTool] = {}
        self._offered: list[BaseTool] = []
        self._hidden: tuple[frozenset[str], tuple[str, ...]] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> PeerToolset:
        """A copied agent follows the same peers."""
        return self

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        """The live peers, and a tombstone for each removed one that this session may still name."""
        with guarded("offering the peers"):
            self._refresh(readonly_context)
        return self._offered

    def _refresh(self, context: Any) -> None:
        catalog = self._live.catalog()
        fresh = catalog is not self._catalog
        if fresh:
            self._tools = {
                name: known
                if (known := self._tools.get(name)) is not None
                and (known.peer is peer or known.peer == peer)
                else PeerTool(self._live, peer)
                for name, peer in catalog.peers.items()
            }
            self._catalog = catalog
        used = used_tool_names(context)
        taken = self._live.taken(self._agent_name) | self._own_names(catalog)
        gone = tuple(dict.fromkeys(n for n in (*catalog.gone, *used) if n not in catalog.peers))
        if not fresh and (taken, gone) == self._hidden:
            return
        self._hidden = (taken, gone)
        # A new list, never the old one changed: a step under way may still be walking through it.
        self._offered = [
            *(tool for name, tool in self._tools.items() if name not in taken),
            *(Tombstone(name) for name in gone if name not in taken),
        ]

    def _own_names(self, catalog: Catalog) -> frozenset[str]:
        """Names of the agent's own tools, without asking its other toolsets (a remote call)."""
        agent = self._agent()
        tools = agent.tools if agent is not None else ()
        names = {
            str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))
            for tool in tools
            if tool is not self
        }
        return frozenset(names & catalog.peers.keys())

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Learn which of the peers' names the agent's other toolsets hold.

        Called before the peers' own `process_llm_request`, when everything that stands before this
        toolset in the agent's list has been declared.
        """
        with guarded("looking for taken names"):
            catalog = self._live.catalog()
            taken = {
                name
                for name in llm_request.tools_dict.keys() & catalog.peers.keys()
                if not isinstance(llm_request.tools_dict[name], PeerTool)
            }
            self._live.note_taken(self._agent_name, frozenset(taken) | self._own_names(catalog))

    async def close(self) -> None:
        """Nothing: kagent closes its runner's toolsets after each request, the peers live on."""
