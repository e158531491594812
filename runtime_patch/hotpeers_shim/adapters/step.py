"""Hooks each model step of every agent.

Every agent with a model builds its request in `BaseLlmFlow._preprocess_async` (google-adk 1.16 to
2.13, private). This is true for a root, a child after a transfer of control, a node of a
`Workflow`, and an agent that is called as a tool. Before that code, the hook gives an orchestrator
its peers. After it, the hook adds tombstones for all peers that the session's history may name.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from .. import live
from ..fleet.declared import FLEET_TOOLS
from .memory import has_used_fleet, used_tool_names
from .tool import tombstones


def hook_steps(begin: Callable[[Any], None]) -> None:
    """Wrap the building of requests. `begin(agent)` is called at the start of each step."""
    from google.adk.flows.llm_flows.base_llm_flow import BaseLlmFlow  # noqa: PLC0415

    original = BaseLlmFlow._preprocess_async
    if not inspect.isasyncgenfunction(original):
        raise TypeError("BaseLlmFlow._preprocess_async is another thing than it was")

    @functools.wraps(original)
    async def _preprocess_async(
        self: Any, invocation_context: Any, llm_request: Any, *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        with live.guarded("beginning a step"):
            await live.get().refresh()
            begin(invocation_context.agent)
        events = original(self, invocation_context, llm_request, *args, **kwargs)
        async with contextlib.aclosing(events):
            async for event in events:
                yield event
        with live.guarded("answering for removed peers"):
            _bury(invocation_context.session, llm_request.tools_dict)

    BaseLlmFlow._preprocess_async = _preprocess_async


def _bury(session: Any, tools: dict[str, Any]) -> None:
    """Add a tombstone for each peer that the history may name but the request does not offer."""
    catalog = live.get().catalog()
    fleet = FLEET_TOOLS if has_used_fleet(session) else ()
    names = (*catalog.gone, *used_tool_names(session), *fleet)
    tools.update(tombstones(catalog, names, besides=tools))
