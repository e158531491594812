"""Reads an agent of the registry and its references."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from ..base.view import View
from .client import Registry
from .entry import Agent, McpServer, Prompt, Ref, read_entry
from .fault import Fault
from .manifest import Template
from .reasons import RegistryReason

MAX_SERVERS = 20
"""Maximum number of MCP servers that are read for one agent."""
_V = TypeVar("_V", bound=View)


async def read_template(registry: Registry, name: str, tag: str, namespace: str = "") -> Template:
    """Read the entry. A missing reference stays None. Raises `Fault`."""
    agent = read_entry(Agent, await registry.entry("agents", name, tag, namespace), name)
    home = agent.metadata.namespace or namespace
    servers = agent.spec.mcpServers[:MAX_SERVERS]
    instructions = agent.spec.instructions
    prompt, found = await asyncio.gather(
        _look(registry, "prompts", Prompt, instructions, home),
        asyncio.gather(*(_look(registry, "mcpservers", McpServer, ref, home) for ref in servers)),
    )
    if instructions is not None and prompt is None:
        # A missing prompt is an error: an agent without its instructions is a different agent.
        raise Fault(
            RegistryReason.TEMPLATE_NOT_FOUND,
            f"{agent}: its instructions, Prompt {instructions}, are not in the registry",
            "Choose another entry.",
        )
    return Template(agent, prompt, tuple(zip(servers, found, strict=True)))


async def _look(
    registry: Registry, plural: str, kind: type[_V], ref: Ref | None, home: str
) -> _V | None:
    if ref is None:
        return None
    try:
        data = await registry.entry(plural, ref.name, ref.tag, ref.namespace or home)
    except Fault as fault:
        if fault.reason is RegistryReason.TEMPLATE_NOT_FOUND:
            return None
        raise
    return read_entry(kind, data, f"{plural} {ref}")
