"""The toolset that an agent gets: the tools of the live peers, and tombstones of removed peers."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from google.adk.tools.base_tool import BaseTool
from google.adk.tools.base_toolset import BaseToolset

from ..catalog import Catalog
from ..contract import PEER_PROBLEM_SENTENCES, PeerProblem
from ..fleet.declared import FLEET_TOOLS, is_large
from ..live import Live, guarded
from . import role
from .catalog_tools import Choice
from .fleet_tools import FleetTool
from .memory import has_used_fleet, used_tool_names
from .offering import Offering
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
        self._key: tuple[Choice, frozenset[str], tuple[str, ...]] | None = None

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
        every = _offering(self._live)
        choice = every.choose(catalog, self._agent_name, context) if offering else Choice()
        names = (*catalog.gone, *used_tool_names(context))
        away = tuple(n for n in names if not offering or n not in catalog.peers)
        if choice.fleet is False and has_used_fleet(context):
            away += FLEET_TOOLS
        if catalog is self._catalog and (choice, taken, away) == self._key:
            return
        self._catalog, self._key = catalog, (choice, taken, away)
        # Make a new list: a running step may still iterate over the old one.
        self._listed = [
            *every.tools(catalog, choice, taken),
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
        return frozenset(
            names & catalog.peers.keys() | names.intersection(self._fleet_names(catalog))
        )

    def _fleet_names(self, catalog: Catalog) -> tuple[str, ...]:
        return FLEET_TOOLS if is_large(catalog.peers, self._live.settings.max_tools) else ()

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Record which of the peers' names the agent's other toolsets use.

        The framework calls this before the `process_llm_request` of each peer. By then all tools
        before this toolset in the agent's list have been declared.
        """
        with guarded("looking for taken names"):
            catalog = self._live.catalog()
            tools = llm_request.tools_dict
            same = tools.keys() & catalog.peers.keys()
            same.update(name for name in self._fleet_names(catalog) if name in tools)
            taken = {
                name
                for name in same
                if not isinstance(tools[name], PeerTool | FleetTool | Tombstone)
            }
            self._live.note_taken(self._agent_name, frozenset(taken) | self._own_names(catalog))

    async def close(self) -> None:
        """Do nothing: kagent closes toolsets after each request, but the peers stay live."""


_made: Offering | None = None


def _offering(live: Live) -> Offering:
    """What all agents of this process are offered."""
    global _made  # noqa: PLW0603 - one per process
    if _made is None or _made.live is not live:
        _made = Offering(live)
    return _made
