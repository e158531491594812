"""`hotpeers mcp`: tools over MCP. The command imports its modules when it runs."""

from __future__ import annotations

import click

from .options import OF_CONVERSATIONS, conversation_options, logging_options, reach, setting


@click.command()
@setting(
    "--tools",
    "spawn",
    "[spawn|peers]",
    "The tools to serve: to find, create and delete agents, or to ask the agents of a peer file.",
)
@setting("--registry-url", "", "URL", "URL of the agentregistry, such as http://host:12121.")
@setting("--registry-token-file", "", "FILE", "File with a bearer token for the agentregistry.")
@setting("--listen", "127.0.0.1:8091", "HOST:PORT", "Address of the MCP server; its path is /mcp.")
@setting(
    "--health-listen",
    "none",
    "HOST:PORT",
    "Address of a further HTTP server that has only /healthz; none disables it.",
)
@setting(
    "--token-file",
    "",
    "FILE",
    "File with the bearer token of callers; required unless --listen is a loopback address.",
)
@setting(
    "--orchestrator", "", "NS/NAME", "Namespace and name of the agent that spawns with these tools."
)
@setting(
    "--namespace",
    "",
    "NAME",
    "Namespace of agents if a call names none.  [default: the orchestrator's, else the pod's]",
)
@setting(
    "--peer-file",
    "",
    "FILE",
    "Peer file of the sidecar in this pod: wait_for_agent also waits until the agent is in it.",
)
@setting(
    "--ack-dir",
    "",
    "DIR",
    "Directory of the acks of agents.  [default: acks/ beside the peer file]",
)
@conversation_options
@reach
@logging_options
def mcp(**raw: str) -> None:
    """Serve tools over MCP: to find, create and delete agents, or to ask agents."""
    import asyncio

    from ..base.errors import SettingsError
    from ..base.log import set_up_logging
    from ..base.settings import parse_logging

    tools = raw.pop("tools")
    if tools not in ("spawn", "peers"):
        raise SettingsError(f"--tools (HOTPEERS_TOOLS): {tools!r} is not 'spawn' or 'peers'")
    conversations = {name: raw.pop(name) for name in OF_CONVERSATIONS}
    if tools == "peers":
        from ..mcp.tracing import set_up_tracing

        set_up_logging(*parse_logging(raw["log_format"], raw["log_level"]))
        set_up_tracing("hotpeers-bridge")
        from ..mcp.bridge import BridgeSettings, run_bridge

        names = ("listen", "peer_file", "ack_dir", "orchestrator", "token_file")
        chosen = {name: raw[name] for name in names}
        flag = "--listen (HOTPEERS_LISTEN)"
        bridge = BridgeSettings.parse(flag, **chosen, **conversations)
        asyncio.run(run_bridge(bridge))
        return
    from ..mcp.server import run_mcp
    from ..mcp.settings import McpSettings

    settings = McpSettings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_mcp(settings))
