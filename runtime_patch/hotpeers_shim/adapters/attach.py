"""Gives each runner's agent the toolset of the live peers.

`google.adk.runners.Runner.__init__` is the one place that every agent passes: kagent builds a runner
and an agent per request, `to_a2a` and `adk api_server` keep theirs. The toolset then goes through
public API: the framework asks it for tools on every model step.
"""

from __future__ import annotations

import contextvars
import functools
import logging
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .. import live
from ..contract import Peer

logger = logging.getLogger("hotpeers_shim")

_nested: contextvars.ContextVar[bool] = contextvars.ContextVar("hotpeers_nested", default=False)
_lock = threading.Lock()
_hooked: set[str] = set()

MAX_DEPTH = 8
"""How deep below a root without tools an agent with tools is looked for."""


def hook_runner(module: ModuleType) -> None:
    """Wrap `Runner.__init__`: after the framework's own work, the runner's agent gets its peers."""
    live.get().usable = _usable
    original = module.Runner.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        if not _nested.get():
            with live.guarded("giving an agent its peers"):
                _attach(self.agent)

    module.Runner.__init__ = __init__


def _usable(peer: Peer) -> bool:
    if not peer.interfaces:
        return True
    from .wire import usable  # noqa: PLC0415 - not before the agent has imported httpx itself

    return usable(peer)


def _attach(root: Any) -> None:
    with _lock:
        _hook_once()
    from .toolset import PeerToolset  # noqa: PLC0415 - the framework is imported by now

    state = live.get()
    state.start()
    agents = list(_with_tools(root, MAX_DEPTH))
    if not agents:
        state.note_skipped(
            str(getattr(root, "name", root)),
            f"a {type(root).__name__} cannot hold tools, nor can an agent below it",
        )
    for agent in agents:
        # A runner may be made again for an agent that has its peers already.
        if not any(isinstance(tool, PeerToolset) for tool in agent.tools):
            agent.tools.append(PeerToolset(state, agent))
    if state.settings.spawn_url:
        _attach_spawning(agents, state.settings.spawn_url)


def _attach_spawning(agents: list[Any], url: str) -> None:
    if find_spec("mcp") is None:
        if "mcp" not in _hooked:
            _hooked.add("mcp")
            logger.warning("no tools for spawning: the package mcp is not installed")
        return
    from .spawning import SpawnToolset  # noqa: PLC0415

    for agent in agents:
        if not any(isinstance(tool, SpawnToolset) for tool in agent.tools):
            # Behind all others: what the agent has itself is declared before.
            agent.tools.append(SpawnToolset(url))


def _with_tools(agent: Any, depth: int) -> Iterator[Any]:
    """The agent itself if it has a list of tools, else the nearest ones below it."""
    if isinstance(getattr(agent, "tools", None), list) and hasattr(agent, "canonical_tools"):
        yield agent
    elif depth > 0:
        for child in getattr(agent, "sub_agents", None) or []:
            yield from _with_tools(child, depth - 1)


def _hook_once() -> None:
    """Patch what can only be imported once the framework is whole."""
    if "done" not in _hooked:
        _hooked.add("done")
        with live.guarded("hooking AgentTool"):
            _hook_agent_tool()
        with live.guarded("hooking request_confirmation"):
            from . import approval  # noqa: PLC0415

            approval.hook_request_confirmation()


def _hook_agent_tool() -> None:
    """Keep nested runners clean: an agent wrapped as a tool is no orchestrator of its own."""
    from google.adk.tools.agent_tool import AgentTool  # noqa: PLC0415

    original = AgentTool.run_async

    @functools.wraps(original)
    async def run_async(self: Any, **kwargs: Any) -> Any:
        token = _nested.set(True)
        try:
            return await original(self, **kwargs)
        finally:
            _nested.reset(token)

    AgentTool.run_async = run_async
