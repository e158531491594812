"""The tools of an Agent as config.json has them: MCP servers, and other Agents.

Read in v0.10.0-rc3: `translateInlineAgent` in translator/agent/compiler.go, and
`translateRemoteMCPServerTarget` in adk_api_translator.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from e2e.gojson import filled, given
from e2e.site import PORT, Site, TranslationError
from kit.apiserver.client import Object

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"([0-9.]+)(ms|h|m|s)")


@dataclass
class Tools:
    """The tools of one Agent: their part of config.json, and of the hash of its configuration."""

    http: list[Object] = field(default_factory=list)
    sse: list[Object] = field(default_factory=list)
    agents: list[Object] = field(default_factory=list)
    secret_hash: bytes = b""
    """`status.secretHash` of each MCP server, decoded, in the order of the tools."""

    @property
    def config(self) -> dict[str, Any]:
        """The fields of config.json."""
        return filled(http_tools=self.http, sse_tools=self.sse, remote_agents=self.agents)


def translate_tools(tools: list[Object], namespace: str, name: str, site: Site) -> Tools:
    """The tools of the Agent of that name; `TranslationError` where one leads nowhere."""
    made = Tools()
    for tool in tools:
        headers = _headers(tool.get("headersFrom") or [])
        if server := tool.get("mcpServer"):
            _add_server(made, server, headers, namespace, site)
        elif agent := tool.get("agent"):
            place = (agent.get("namespace") or namespace, agent["name"])
            if place == (namespace, name):
                raise TranslationError("agent tool cannot be used to reference itself")
            made.agents.append(_remote_agent(site.find("Agent", *place), tool, headers))
        else:
            raise TranslationError("tool must have a provider or tool server")
    return made


def _remote_agent(found: Object, tool: Object, headers: dict[str, str]) -> Object:
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    return {
        "name": f"{namespace}/{name}".replace("-", "_").replace("/", "__NS__"),
        "url": f"http://{name}.{namespace}:{PORT}",
        **filled(
            headers=headers,
            description=found["spec"].get("description"),
            isolate_sessions=tool.get("isolateSessions"),
        ),
    }


def _add_server(
    made: Tools, tool: Object, headers: dict[str, str], namespace: str, site: Site
) -> None:
    if tool.get("kind") != "RemoteMCPServer":
        raise TranslationError("no MCP servers but RemoteMCPServers are translated here")
    server = site.find("RemoteMCPServer", tool.get("namespace") or namespace, tool["name"])
    spec = server["spec"]
    if spec.get("tls"):
        raise TranslationError("the TLS settings of a RemoteMCPServer are not translated here")
    is_sse = spec.get("protocol") == "SSE"
    params = {
        "url": spec["url"],
        "headers": dict(sorted({**_headers(spec.get("headersFrom") or []), **headers}.items())),
        **given(
            timeout=_seconds(spec.get("timeout")),
            sse_read_timeout=_seconds(spec.get("sseReadTimeout")),
            terminate_on_close=None if is_sse else spec.get("terminateOnClose"),
        ),
    }
    names = filled(
        tools=tool.get("toolNames"),
        allowed_headers=tool.get("allowedHeaders"),
        require_approval=tool.get("requireApproval"),
    )
    (made.sse if is_sse else made.http).append({"params": params, **names})
    made.secret_hash += _decoded(server.get("status", {}).get("secretHash", ""))


def _decoded(digest: str) -> bytes:
    """A hash that is no hex counts as none here, other than a ModelConfig's."""
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""


def _headers(given_headers: list[Object]) -> dict[str, str]:
    if any("value" not in one for one in given_headers):
        raise TranslationError("headers from Secrets and ConfigMaps are not translated here")
    return {one["name"]: one["value"] for one in given_headers}


def _seconds(duration: str | None) -> float | None:
    """The seconds of a Go duration such as "5m0s"."""
    if not duration:
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in _DURATION.findall(duration))
