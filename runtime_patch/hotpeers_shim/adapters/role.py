"""Decides which agents of a process are orchestrators. Only orchestrators get peers.

The root of a runner is an orchestrator, and so is every agent that it can transfer control to. An
agent that is called as a tool is not: it does a part of the work for its caller
(docs/decisions/agent-structures.md).
"""

from __future__ import annotations

import contextvars
from typing import Any

nested: contextvars.ContextVar[bool] = contextvars.ContextVar("hotpeers_nested", default=False)
"""True while an agent runs that another agent called as a tool."""

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
"""The tools of google-adk 1.16 to 2.13 that run on the model's server."""


def holds_tools(agent: Any) -> bool:
    """Whether `agent` has a model and a list of tools."""
    return isinstance(getattr(agent, "tools", None), list) and hasattr(agent, "canonical_tools")


def is_called_as_tool(agent: Any) -> bool:
    """Whether the parent agent calls this agent as a tool (google-adk 2: modes of a sub-agent).

    A node of a `Workflow` can have such a mode too, but it has no parent agent with tools.
    """
    return getattr(agent, "mode", None) in _CALLED_MODES and holds_tools(
        getattr(agent, "parent_agent", None)
    )


def has_built_in_alone(tools: list[Any], code_executor: Any) -> bool:
    """Whether an agent has only tools that are built into its model.

    Gemini rejects a request that mixes them with other tools. A built-in tool does not count if
    google-adk replaces it as soon as the agent has another tool.
    """
    if any(not _is_built_in(tool) for tool in tools):
        return False
    return bool(tools) or type(code_executor).__name__ == "BuiltInCodeExecutor"


def _is_built_in(tool: Any) -> bool:
    names = {kind.__name__ for kind in type(tool).__mro__ if kind.__module__.startswith("google.")}
    return bool(names & _BUILT_IN) and not getattr(tool, "bypass_multi_tools_limit", False)
