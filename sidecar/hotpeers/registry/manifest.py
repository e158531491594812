"""Converts an Agent of agentregistry and its references to a kagent Agent (v1alpha2). Pure.

Written for kagent 0.10. Parts that cannot be mapped are reported, never guessed. Important defaults of
kagent (runtime, model, tools) are written explicitly. The same input gives the same manifest, byte for
byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ..spawnpolicy.digest import digest_of
from ..spawnpolicy.rules.defaults import DEFAULT_MODEL_CONFIG
from ..spawnpolicy.stamps import PEER, TEMPLATE
from .entry import Agent, McpServer, Prompt, Ref
from .fault import Fault
from .reasons import RegistryReason

API_VERSION = "kagent.dev/v1alpha2"
REGISTRY = "registry:"
MAX_TOOL_SERVERS = 20
MAX_TOOL_NAMES = 50
"""The limit in kagent's CRD."""
_MAX_NAME = 63
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A RemoteMCPServer of the cluster, and the tools that kagent found on it."""

    name: str
    url: str
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """An Agent of the registry and its references. A reference that could not be read is None."""

    agent: Agent
    prompt: Prompt | None = None
    servers: tuple[tuple[Ref, McpServer | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """The choices of the caller. `tools` has the wanted tools of each server of the registry."""

    namespace: str
    name: str = ""
    model_config: str = DEFAULT_MODEL_CONFIG
    runtime: str = "python"
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A part of the entry that is not in the manifest, and the reason."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A manifest. `digest` is the digest of its spec."""

    manifest: dict[str, Any]
    unmapped: tuple[Unmapped, ...]
    digest: str

    @property
    def yaml(self) -> str:
        """The manifest as text, for a model to read, change and apply."""
        return yaml.dump(
            self.manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )


def render(template: Template, wish: Wish, cluster: Sequence[ToolServer] = ()) -> Rendered:
    """Make the manifest. Raises `Fault` if kagent cannot run the entry."""
    agent = template.agent
    unmapped: list[Unmapped] = []
    spec: dict[str, Any] = {"description": agent.spec.description or agent.spec.title}
    if template.prompt is not None and template.prompt.spec.content.strip():
        spec["type"] = "Declarative"
        spec["declarative"] = _declarative(template, wish, cluster, unmapped)
    else:
        spec["type"] = "BYO"
        spec["byo"] = {"deployment": {"image": _image(template, unmapped)}}
        unmapped += [
            Unmapped(
                f"mcpServers[{number}]", f"{ref}: a kagent Agent of an image has its own tools"
            )
            for number, (ref, _) in enumerate(template.servers)
        ]
    unmapped += _left_out(agent)
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "metadata": {
            "name": wish.name or kubernetes_name(agent.metadata.name),
            "namespace": wish.namespace,
            "labels": {PEER: "true"},
            "annotations": {TEMPLATE: template_key(agent)},
        },
        "spec": {key: value for key, value in spec.items() if value != ""},
    }
    return Rendered(manifest, tuple(unmapped), digest_of(manifest["spec"]))


def template_key(agent: Agent) -> str:
    """The value of the annotation `hotpeers.dev/template` for an entry of the registry."""
    return f"{REGISTRY}{agent}"


def kubernetes_name(name: str) -> str:
    """A name of the registry as a valid Service name, because kagent creates a Service per Agent."""
    dashed = re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-")
    if not dashed[:1].isalpha():
        dashed = f"agent-{dashed}".rstrip("-")
    if len(dashed) > _MAX_NAME:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        dashed = f"{dashed[: _MAX_NAME - 9].rstrip('-')}-{mark}"
    return dashed


def _declarative(
    template: Template, wish: Wish, cluster: Sequence[ToolServer], unmapped: list[Unmapped]
) -> dict[str, Any]:
    assert template.prompt is not None  # noqa: S101 - asked before
    source = template.agent.spec.source
    if source is not None and source.image:
        unmapped.append(Unmapped("source.image", "the instructions run on kagent's own runtime"))
    made: dict[str, Any] = {
        "runtime": wish.runtime,
        "modelConfig": wish.model_config,
        "systemMessage": template.prompt.spec.content,
    }
    tools: list[dict[str, Any]] = []
    for number, (ref, server) in enumerate(template.servers):
        tool, why = _tool(ref, server, wish, cluster)
        if tool is not None and len(tools) == MAX_TOOL_SERVERS:
            tool, why = None, f"kagent takes at most {MAX_TOOL_SERVERS} servers"
        if tool is not None:
            tools.append(tool)
        if why:
            unmapped.append(Unmapped(f"mcpServers[{number}]", f"{ref}: {why}"))
    if tools:
        made["tools"] = tools
    return made


def _tool(
    ref: Ref, server: McpServer | None, wish: Wish, cluster: Sequence[ToolServer]
) -> tuple[dict[str, Any] | None, str]:
    """One tool of the manifest or None, and why it is incomplete or missing."""
    if server is None:
        return None, "the registry has no such MCPServer"
    found = _server_of(ref, server, cluster)
    if found is None:
        return None, (
            "the namespace has no RemoteMCPServer with its URL (or, if it has none, its name); "
            "an operator has to make one"
        )
    wanted = list(dict.fromkeys(wish.tools.get(ref.name, ()))) or sorted(found.tools)
    why = ""
    if found.tools and not set(wanted) <= set(found.tools):
        missing = sorted(set(wanted) - set(found.tools))
        why = f"RemoteMCPServer {found.name} has no tool {', '.join(missing[:5])}"
        wanted = [name for name in wanted if name in found.tools]
    if not wanted:
        # For kagent, an empty list means all current and future tools of the server.
        return None, why or "its tools are not known yet; name those that are wanted in `tools`"
    if len(wanted) > MAX_TOOL_NAMES:
        why = f"only the first {MAX_TOOL_NAMES} of {len(wanted)} tools are taken; choose in `tools`"
        wanted = wanted[:MAX_TOOL_NAMES]
    reference = {
        "apiGroup": "kagent.dev",
        "kind": "RemoteMCPServer",
        "name": found.name,
        "toolNames": wanted,
    }
    return {"type": "McpServer", "mcpServer": reference}, why


def _server_of(ref: Ref, server: McpServer, cluster: Sequence[ToolServer]) -> ToolServer | None:
    url = server.spec.remote.url.rstrip("/") if server.spec.remote else ""
    for one in sorted(cluster, key=lambda one: one.name):
        # A server of the same name with another URL is a different server.
        if one.url.rstrip("/") == url if url else one.name == kubernetes_name(ref.name):
            return one
    return None


def _image(template: Template, unmapped: list[Unmapped]) -> str:
    agent = template.agent
    source = agent.spec.source
    if source is None or not source.image:
        message = f"{agent} has neither instructions that can be read nor an image"
        raise Fault(RegistryReason.TEMPLATE_NOT_MAPPED, message, "Choose another entry.")
    if source.protocol not in ("", "A2A"):
        message = f"{agent} speaks {source.protocol}; kagent's agents speak A2A"
        raise Fault(RegistryReason.TEMPLATE_NOT_MAPPED, message, "Choose another entry.")
    if not _DIGEST.search(source.image):
        unmapped.append(
            Unmapped("source.image", "it is not pinned by a digest, and may change at any time")
        )
    return source.image


def _left_out(agent: Agent) -> list[Unmapped]:
    spec = agent.spec
    left = []
    if spec.modelName or spec.modelProvider:
        model = f"{spec.modelProvider}/{spec.modelName}".strip("/")
        left.append(Unmapped("modelName", f"{model}: kagent takes the model of its ModelConfig"))
    left += [
        Unmapped(f"skills[{number}]", f"{ref}: kagent fetches skills in a privileged container")
        for number, ref in enumerate(spec.skills)
    ]
    left += [
        Unmapped(f"plugins[{number}]", f"{ref}: kagent has no plugins")
        for number, ref in enumerate(spec.plugins)
    ]
    if spec.compatibleHarnesses:
        names = ", ".join(one.type for one in spec.compatibleHarnesses)
        left.append(Unmapped("compatibleHarnesses", f"{names}: kagent runs it on its own runtime"))
    return left


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, which is easy for a model to read and change."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
