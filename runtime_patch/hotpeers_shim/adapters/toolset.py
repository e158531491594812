"""The one toolset that an agent gets: the live peers as tools, and the removed ones as tombstones."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from google.adk.tools.base_tool import BaseTool
from google.adk.tools.base_toolset import BaseToolset

from ..catalog import Catalog
from ..contract import PEER_PROBLEM_SENTENCES, PeerProblem
from ..live import Live, guarded
from . import role
from .memory import used_tool_names
from .tool import PeerTool, Tombstone, tombstones

_step: contextvars.ContextVar[tuple[PeerToolset, bool] | None] = contextvars.ContextVar(
    "hotpeers_step", default=None
)
"""Which toolset the running step is of, and whether it offers peers in this step."""


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
        self._agent_name = str(agent.name)
        self._code_executor = getattr(agent, "code_executor", None)
        self.beside: Callable[[], Callable[[], list[Any]] | None] = lambda: None
        """A reference to what gives the agent's own tools; `ToolList` sets it."""
        self._catalog: Catalog | None = None
        self._listed: list[BaseTool] = []
        self._key: tuple[bool, frozenset[str], tuple[str, ...]] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> PeerToolset:
        """A copied agent follows the same peers."""
        return self

    def begin_step(self) -> None:
        """Decide whether peers are offered, for the whole of the step that begins.

        With a response schema in the request and tools that came a moment later, models refuse it.
        """
        alone = bool(self._live.catalog().peers) and self._is_alone()
        problem = PeerProblem.BUILT_IN_TOOL_ALONE
        self._live.note_skipped(
            self._agent_name, PEER_PROBLEM_SENTENCES[problem] if alone else "", problem
        )
        _step.set((self, self._offers()))

    def is_offering(self) -> bool:
        """Whether peers are offered: as decided for this step, or else as things are now."""
        step = _step.get()
        return step[1] if step is not None and step[0] is self else self._offers()

    def _offers(self) -> bool:
        peers = self._live.catalog().peers
        if not peers or role.nested.get() or self._is_alone():
            return False
        return not self._taken(self._live.catalog()) >= peers.keys()

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        """The live peers, and a tombstone for each removed one that this session may still name."""
        with guarded("offering the peers"):
            self._refresh(readonly_context)
        return self._listed

    def _refresh(self, context: Any) -> None:
        catalog = self._live.catalog()
        offering, taken = self.is_offering(), self._taken(catalog)
        names = (*catalog.gone, *used_tool_names(context))
        away = tuple(n for n in names if not offering or n not in catalog.peers)
        if catalog is self._catalog and (offering, taken, away) == self._key:
            return
        self._catalog, self._key = catalog, (offering, taken, away)
        tools = _tools_of(catalog, self._live) if offering else {}
        # A new list, never the old one changed: a step under way may still be walking through it.
        self._listed = [
            *(tool for name, tool in tools.items() if name not in taken),
            *tombstones(catalog, away, besides=taken).values(),
        ]

    def _own(self) -> list[Any]:
        own = self.beside()
        return own() if own is not None else []

    def _is_alone(self) -> bool:
        return role.has_built_in_alone(self._own(), self._code_executor)

    def _taken(self, catalog: Catalog) -> frozenset[str]:
        return self._live.taken(self._agent_name) | self._own_names(catalog)

    def _own_names(self, catalog: Catalog) -> frozenset[str]:
        """Names of the agent's own tools, without asking its other toolsets (a remote call)."""
        names = {
            str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))
            for tool in self._own()
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
                if not isinstance(llm_request.tools_dict[name], PeerTool | Tombstone)
            }
            self._live.note_taken(self._agent_name, frozenset(taken) | self._own_names(catalog))

    async def close(self) -> None:
        """Nothing: kagent closes its runner's toolsets after each request, the peers live on."""


_made: tuple[Catalog, dict[str, PeerTool]] = (Catalog(), {})


def _tools_of(catalog: Catalog, live: Live) -> dict[str, PeerTool]:
    """The live peers as tools, made once for all agents: google-adk 2 copies an agent for each turn."""
    global _made  # noqa: PLW0603 - replaced as a whole, from whichever thread
    of, known = _made
    if of is not catalog:
        tools = {
            name: tool
            if (tool := known.get(name)) is not None and (tool.peer is peer or tool.peer == peer)
            else PeerTool(live, peer)
            for name, peer in catalog.peers.items()
        }
        _made = (catalog, tools)
        return tools
    return known
