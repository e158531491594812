"""What is done at each step of a model, whichever agent takes it.

Every agent with a model, wherever it stands (a root, a child that control was transferred to, a node
of a `Workflow`, an agent called as a tool), makes its request in `BaseLlmFlow._preprocess_async`
(google-adk 1.16 to 2.13, private). Before, the agent is given its peers if it is to have any; after,
the request can answer for all peers that the session's history may call.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from .. import live
from .memory import used_tool_names
from .tool import tombstones


def hook_steps(begin: Callable[[Any], None]) -> None:
    """Wrap the making of requests; `begin(agent)` is called at the beginning of each step."""
    from google.adk.flows.llm_flows.base_llm_flow import BaseLlmFlow  # noqa: PLC0415

    original = BaseLlmFlow._preprocess_async
    if not inspect.isasyncgenfunction(original):
        raise TypeError("BaseLlmFlow._preprocess_async is another thing than it was")

    @functools.wraps(original)
    async def _preprocess_async(
        self: Any, invocation_context: Any, llm_request: Any, *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        with live.guarded("beginning a step"):
            begin(invocation_context.agent)
        events = original(self, invocation_context, llm_request, *args, **kwargs)
        async with contextlib.aclosing(events):
            async for event in events:
                yield event
        with live.guarded("answering for removed peers"):
            _bury(invocation_context.session, llm_request.tools_dict)

    BaseLlmFlow._preprocess_async = _preprocess_async


def _bury(session: Any, tools: dict[str, Any]) -> None:
    """Make each peer callable that the history may name and that the request does not offer."""
    catalog = live.get().catalog()
    names = (*catalog.gone, *used_tool_names(session))
    tools.update(tombstones(catalog, names, besides=tools))
