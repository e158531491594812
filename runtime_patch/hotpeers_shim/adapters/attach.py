"""Gives the agents of each runner the toolset of the live peers.

Every orchestrator goes through `google.adk.runners.Runner.__init__`: kagent builds a runner and an
agent per request, `to_a2a` and `adk api_server` keep theirs. The toolset itself uses public API:
the framework asks it for tools at every model step. Agents that cannot be reached from the root
(copies, nodes that are made by code) get their toolset when they take a step.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .. import live
from ..contract import Peer
from . import role

logger = logging.getLogger("hotpeers_shim")

_lock = threading.Lock()
_hooked: set[str] = set()

MAX_DEPTH = 8
"""How many levels below a root the search for agents goes."""

_AGENT_TOOLS = (
    ("google.adk.tools.agent_tool", ("AgentTool", "_SingleTurnAgentTool")),
    ("google.adk.tools.google_search_agent_tool", ("GoogleSearchAgentTool",)),
    ("google.adk.tools._node_tool", ("NodeTool",)),
)
"""The tools that run an agent. Only `AgentTool` exists in all versions."""


def hook_runner(module: ModuleType) -> None:
    """Wrap `Runner.__init__`: after the original code, the runner's agents get their peers."""
    hot = live.get().hot
    live.get().usable = _usable
    original = module.Runner.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        if not role.nested.get():
            with live.guarded("giving an agent its peers"):
                _attach(self.agent)
            if hot is not None:
                with live.optional("hot configuration"):
                    hot.runner_made()

    module.Runner.__init__ = __init__


def _usable(peer: Peer) -> bool:
    if not peer.interfaces:
        return True
    from ..calls.wire import usable  # noqa: PLC0415 - not before the agent has imported httpx itself

    return usable(peer)


def _attach(root: Any) -> None:
    with _lock:
        _hook_once()
    state = live.get()
    state.start()
    agents = list(_with_tools(root, MAX_DEPTH))
    for agent in agents:
        give(agent)
    if not agents:
        state.note_skipped(
            str(getattr(root, "name", root)),
            f"a {type(root).__name__} cannot hold tools, nor can an agent that is found below it",
        )


def give(agent: Any) -> Any:
    """Add the peers after the agent's own tools, if they are missing. Returns its `ToolList`."""
    from .toollist import ToolList  # noqa: PLC0415 - needs the imported framework
    from .toolset import PeerToolset  # noqa: PLC0415

    # An agent that already has its peers may get another runner.
    if isinstance(agent.tools, ToolList):
        return agent.tools
    state = live.get()
    # The copy of an agent's list may hold the toolset of the original.
    own = [tool for tool in agent.tools if not isinstance(tool, PeerToolset)]
    agent.tools = tools = ToolList(own, PeerToolset(state, agent))
    if state.settings.spawn_url:
        _attach_spawning(tools, state.settings.spawn_url)
    return tools


def begin_step(agent: Any) -> None:
    """Begin a step of `agent`. An orchestrator that has no peers yet gets them first."""
    from .toollist import ToolList  # noqa: PLC0415

    tools = getattr(agent, "tools", None)
    if not isinstance(tools, ToolList):
        if role.nested.get() or not role.holds_tools(agent) or role.is_called_as_tool(agent):
            return
        tools = give(agent)
    tools.peers.begin_step()


def _attach_spawning(tools: Any, url: str) -> None:
    if find_spec("mcp") is None:
        if "mcp" not in _hooked:
            _hooked.add("mcp")
            logger.warning("no tools for spawning: the package mcp is not installed")
        return
    from .spawning import SpawnToolset  # noqa: PLC0415

    if not any(isinstance(tool, SpawnToolset) for tool in tools.own()):
        tools.append(SpawnToolset(url))


def _with_tools(agent: Any, depth: int) -> Iterator[Any]:
    """This agent and the agents that it can transfer control to, if they hold tools."""
    if role.is_called_as_tool(agent):
        return
    if role.holds_tools(agent):
        yield agent
    if depth > 0:
        # A `Workflow` of google-adk 2 has a graph of nodes.
        nodes = getattr(getattr(agent, "graph", None), "nodes", None) or []
        for child in (*(getattr(agent, "sub_agents", None) or []), *nodes):
            yield from _with_tools(child, depth - 1)


def _hook_once() -> None:
    """Patch the modules that can be imported only after the framework is completely imported."""
    if "done" not in _hooked:
        _hooked.add("done")
        with live.optional("agents called as tools"):
            _hook_agent_tools()
        with live.optional("agent structures"):
            from .step import hook_steps  # noqa: PLC0415

            hook_steps(begin_step)
        with live.optional("bound approvals"):
            from . import approval  # noqa: PLC0415

            approval.hook_request_confirmation()


def _hook_agent_tools() -> None:
    """Set `role.nested` while an agent runs that was called as a tool: it gets no peers."""
    for module, names in _AGENT_TOOLS:
        if find_spec(module) is None:
            continue
        for name in names:
            kind = getattr(import_module(module), name, None)
            if kind is not None and "run_async" in vars(kind):
                kind.run_async = _noting_nesting(kind.run_async)


def _noting_nesting(original: Any) -> Any:
    @functools.wraps(original)
    async def run_async(self: Any, **kwargs: Any) -> Any:
        token = role.nested.set(True)
        try:
            return await original(self, **kwargs)
        finally:
            role.nested.reset(token)

    return run_async
