"""The toolset that an agent gets: the live peers as tools, and removed peers as tombstones."""

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
"""The toolset of the running step, and whether it offers peers in this step."""


class PeerToolset(BaseToolset):  # type: ignore[misc]
    """The peers of one agent, resolved again at every model step.

    `get_tools` never raises: google-adk would drop the whole toolset (`llm_agent.py`,
    `_convert_tool_union_to_tools`), and with it every peer.
    """

    name = "hotpeers"

    def __init__(self, live: Live, agent: Any) -> None:
        super().__init__()
        # The cache would keep the tools of the first step for the whole turn.
        self._use_invocation_cache = False
        self._live = live
        self._agent_name = str(agent.name)
        self._code_executor = getattr(agent, "code_executor", None)
        self.beside: Callable[[], Callable[[], list[Any]] | None] = lambda: None
        """A reference to the function that returns the agent's own tools. `ToolList` sets it."""
        self._catalog: Catalog | None = None
        self._listed: list[BaseTool] = []
        self._key: tuple[bool, frozenset[str], tuple[str, ...]] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> PeerToolset:
        """Return the same object: a copied agent follows the same peers."""
        return self

    def begin_step(self) -> None:
        """Decide whether the toolset offers peers in the step that begins.

        The answer must not change within a step. Models reject a request that has a response schema
        and also tools that were added later.
        """
        alone = bool(self._live.catalog().peers) and self._is_alone()
        problem = PeerProblem.BUILT_IN_TOOL_ALONE
        self._live.note_skipped(
            self._agent_name, PEER_PROBLEM_SENTENCES[problem] if alone else "", problem
        )
        _step.set((self, self._offers()))

    def is_offering(self) -> bool:
        """Whether peers are offered: the decision of `begin_step`, or outside a step, a new one."""
        step = _step.get()
        return step[1] if step is not None and step[0] is self else self._offers()

    def _offers(self) -> bool:
        peers = self._live.catalog().peers
        if not peers or role.nested.get() or self._is_alone():
            return False
        return not self._taken(self._live.catalog()) >= peers.keys()

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        """The live peers, and a tombstone for each removed peer that the session may still name."""
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
        # Make a new list: a running step may still iterate over the old one.
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
        """The peers' names among the agent's own tools. Other toolsets are left out: they are slow.

        A toolset would need a remote call to list its tools.
        """
        names = {
            str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))
            for tool in self._own()
        }
        return frozenset(names & catalog.peers.keys())

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Record which of the peers' names the agent's other toolsets use.

        The framework calls this before the `process_llm_request` of each peer. By then all tools
        before this toolset in the agent's list have been declared.
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
        """Do nothing: kagent closes toolsets after each request, but the peers stay live."""


_made: tuple[Catalog, dict[str, PeerTool]] = (Catalog(), {})


def _tools_of(catalog: Catalog, live: Live) -> dict[str, PeerTool]:
    """The tools of the live peers, shared by all agents: google-adk 2 copies an agent per turn."""
    global _made  # noqa: PLW0603 - any thread may replace it, as a whole
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
