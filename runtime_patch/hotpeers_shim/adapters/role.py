"""Which agents of a process are its orchestrator, and so are offered the peers.

The orchestrator is the root of a runner and every agent that control goes on to from there. An agent
that is called as a tool is none: it works on a part, for the agent that called it
(docs/decisions/agent-structures.md).
"""

from __future__ import annotations

import contextvars
from typing import Any

nested: contextvars.ContextVar[bool] = contextvars.ContextVar("hotpeers_nested", default=False)
"""True while an agent runs that was called as a tool."""

_CALLED_MODES = ("single_turn", "task")
_BUILT_IN = frozenset(
    {
        "EnterpriseWebSearchTool",
        "GoogleMapsGroundingTool",
        "GoogleSearchTool",
        "UrlContextTool",
        "VertexAiRagRetrieval",
        "VertexAiSearchTool",
    }
)
"""Tools of google-adk 1.16 to 2.13 that the model's server carries out itself."""


def holds_tools(agent: Any) -> bool:
    """Whether this is an agent with a model and a list of tools."""
    return isinstance(getattr(agent, "tools", None), list) and hasattr(agent, "canonical_tools")


def is_called_as_tool(agent: Any) -> bool:
    """Whether the agent above calls this one as a tool (google-adk 2: modes of a sub-agent).

    A node of a `Workflow` has such a mode too, but no agent with tools above it.
    """
    return getattr(agent, "mode", None) in _CALLED_MODES and holds_tools(
        getattr(agent, "parent_agent", None)
    )


def has_built_in_alone(tools: list[Any], code_executor: Any) -> bool:
    """Whether all that an agent has are tools built into its model: Gemini refuses others beside them.

    Not where google-adk itself replaces the tool as soon as there is another one.
    """
    if any(not _is_built_in(tool) for tool in tools):
        return False
    return bool(tools) or type(code_executor).__name__ == "BuiltInCodeExecutor"


def _is_built_in(tool: Any) -> bool:
    names = {kind.__name__ for kind in type(tool).__mro__ if kind.__module__.startswith("google.")}
    return bool(names & _BUILT_IN) and not getattr(tool, "bypass_multi_tools_limit", False)
