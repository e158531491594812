"""`hotpeers hub`: the peer tools for many orchestrators. The command imports its modules when it runs."""

from __future__ import annotations

import click

from .options import logging_options, reach, setting


@click.command()
@setting("--listen", ":8092", "HOST:PORT", "Address of the MCP server; its path is /mcp.")
@setting(
    "--health-listen",
    "127.0.0.1:8093",
    "HOST:PORT",
    "Address of /healthz, /readyz and /metrics; none disables it.",
)
@setting(
    "--selector",
    "hotpeers.dev/peer=true",
    "SELECTOR",
    "Label selector of the objects to watch; each Orchestrator narrows it.",
)
@setting(
    "--key-secret", "", "NS/NAME", "Secret with the key of tokens and conversations; required."
)
@setting(
    "--wait-seconds",
    "25",
    "SECONDS",
    "How long ask_agent waits for an answer before it points to get_answer.",
)
@setting(
    "--credentials",
    "",
    "FILE",
    "Document with credentials for peers. They serve all orchestrators of the hub.",
)
@setting(
    "--state-dir",
    "/var/run/hotpeers",
    "DIR",
    "Directory in memory for the credentials of requests.",
)
@setting(
    "--user-headers-to",
    "",
    "URL,…",
    "Origins that may get the headers that identify the user, besides kagent's own Agents.",
)
@setting(
    "--kagent-gateway",
    "http://kagent-controller.kagent:8083",
    "URL",
    "URL of kagent 1.x's controller, through which its Agents are called.",
)
@reach
@logging_options
def hub(**raw: str) -> None:
    """Serve the peers of many orchestrators over MCP; each has an Orchestrator resource and a token."""
    import asyncio

    from ..base.log import set_up_logging
    from ..base.settings import parse_logging
    from ..mcp.hub.settings import HubSettings
    from ..mcp.tracing import set_up_tracing

    logging = parse_logging(raw.pop("log_format"), raw.pop("log_level"))
    settings = HubSettings.parse(**raw)
    set_up_logging(*logging)
    set_up_tracing("hotpeers-hub")
    # Only now: it imports the libraries that make spans.
    from ..mcp.hub.hub import run_hub

    asyncio.run(run_hub(settings))
