"""The expected spec of an agent whose template is an entry of the registry."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..base.parts import part
from ..spawnpolicy.rules.defaults import DEFAULT_MODEL_CONFIG
from .client import Registry
from .entry import NAME, TAG
from .fault import Fault
from .held import Held
from .manifest import REGISTRY, Template, ToolServer, Wish, render
from .template import read_template

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.5
"""Longest time that an admission may wait for the registry and the cluster together."""
HELD_SECONDS = 60.0
_SERVERS_HELD_SECONDS = 5.0
_NAME, _TAG = re.compile(NAME), re.compile(TAG)
# kagent's default if the runtime is not set.
_DEFAULT_RUNTIME = "go"

ReadServers = Callable[[str], Awaitable[Sequence[ToolServer]]]
"""Reads the RemoteMCPServers of a namespace; raises `Fault`."""


class RegistryTemplates:
    """The templates of a registry, for the guard.

    A caller of `hotpeers mcp` can choose the namespace, the modelConfig, the runtime, and for each
    server its tools and the tools that need approval. These values are taken from the object of the
    request; all others come from the registry. The policy checks the chosen values like any others.
    """

    def __init__(
        self,
        registry: Registry,
        servers: ReadServers,
        *,
        seconds: float = ANSWER_SECONDS,
        held: float = HELD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._seconds = seconds
        self._templates: Held[Template] = Held(self._read, held, clock=clock)
        self._servers: Held[Sequence[ToolServer]] = Held(
            servers, min(held, _SERVERS_HELD_SECONDS), clock=clock
        )

    async def spec_of(self, key: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The `spec` of an agent made from `key` (`registry:name@tag`) with the choices in `wanted`.

        None if the template cannot be read in time, or if kagent cannot run it.
        """
        name, _, tag = key.removeprefix(REGISTRY).rpartition("@")
        if not (key.startswith(REGISTRY) and _NAME.fullmatch(name) and _TAG.fullmatch(tag)):
            return None
        namespace = part(wanted, "metadata").get("namespace")
        if not isinstance(namespace, str):
            return None
        try:
            async with asyncio.timeout(self._seconds):
                template = await self._templates.get(key)
                servers = await self._servers.get(namespace) if template.servers else ()
            return _spec(template, wanted, namespace, servers)
        except TimeoutError:
            logger.warning("template %s: not read within %g s", key, self._seconds)
        except Fault as fault:
            logger.warning("template %s: %s", key, fault, extra={"reason": fault.reason.value})
        return None

    async def _read(self, key: str) -> Template:
        name, _, tag = key.removeprefix(REGISTRY).rpartition("@")
        return await read_template(self._registry, name, tag)


def _spec(
    template: Template, wanted: Mapping[str, Any], namespace: str, servers: Sequence[ToolServer]
) -> dict[str, Any]:
    declarative = part(part(wanted, "spec"), "declarative")
    chosen = _chosen(declarative, namespace)
    wish = Wish(
        namespace,
        model_config=_text(declarative.get("modelConfig"), DEFAULT_MODEL_CONFIG),
        runtime=_text(declarative.get("runtime"), _DEFAULT_RUNTIME),
    )
    # Use the tool names of the object: kagent may have found other tools on the server since then.
    found = [replace(one, tools=_names(chosen.get(one.name), "toolNames")) for one in servers]
    spec: dict[str, Any] = render(template, wish, found).manifest["spec"]
    for tool in part(spec, "declarative").get("tools", ()):
        server = tool["mcpServer"]
        theirs = chosen[server["name"]]
        # Keep the order of the object.
        server["toolNames"] = list(_names(theirs, "toolNames"))
        if approved := _names(theirs, "requireApproval"):
            server["requireApproval"] = list(approved)
    return spec


def _chosen(declarative: Mapping[str, Any], namespace: str) -> dict[str, Mapping[str, Any]]:
    """The RemoteMCPServers of an agent, by name."""
    tools = declarative.get("tools")
    references = [part(one, "mcpServer") for one in (tools if isinstance(tools, list) else ())]
    return {
        one["name"]: one
        for one in references
        if isinstance(one.get("name"), str)
        and one.get("kind") == "RemoteMCPServer"
        and one.get("namespace", namespace) == namespace
    }


def _names(reference: Mapping[str, Any] | None, key: str) -> tuple[str, ...]:
    names = reference.get(key) if reference else None
    if not isinstance(names, list):
        return ()
    return tuple(dict.fromkeys(one for one in names if isinstance(one, str)))


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default
