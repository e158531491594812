"""`hotpeers run`: the sidecar. The command imports its modules when it runs."""

from __future__ import annotations

import os

import click

from .options import OF_CONVERSATIONS, conversation_options, logging_options, reach, setting

_OF_BRIDGE = ("bridge_listen", "config_from", "config_to", "spawn_url", "restart_dir")
_FOR_BOTH = ("peer_file", "ack_dir", "orchestrator", "agent_ports", "credentials")


@click.command()
@setting("--source", "directory", "[directory|kubernetes]", "Where to read peers from.")
@setting("--peers-dir", "", "DIR", "Directory of peer manifests; required with --source directory.")
@setting("--peer-file", "/var/run/hotpeers/peers.json", "FILE", "Path of the peer file to write.")
@setting(
    "--ack-dir",
    "",
    "DIR",
    "Directory of the acks of agents.  [default: acks/ beside the peer file]",
)
@setting(
    "--selector",
    "",
    "SELECTOR",
    "Label selector of peers.  [default: all; with --source kubernetes hotpeers.dev/peer=true]",
)
@setting(
    "--namespaces",
    "",
    "A,B",
    "Namespaces of peers, separated by commas; * means all.  [default: all; in a pod its own]",
)
@setting(
    "--orchestrator",
    "",
    "NS/NAME",
    "Namespace and name of the agent that gets the peers; it is never its own peer.",
)
@setting(
    "--report-to",
    "",
    "NS/NAME",
    "Orchestrator whose status this sidecar writes, with --source kubernetes.  [default: none]",
)
@setting(
    "--replica",
    "",
    "NAME",
    "Name of this pod in that status.  [default: the name of the host]",
)
@setting(
    "--user-headers-to",
    "",
    "ORIGINS",
    "Origins that get the headers which identify the user, besides kagent Agents; separated by commas.",
)
@setting(
    "--kagent-gateway",
    "http://kagent-controller.kagent:8083",
    "URL",
    "URL of kagent 1.x's controller, through which its Agents are called.",
)
@setting(
    "--shim-dir",
    "",
    "DIR",
    "Directory from which the agent loads the shim; a missing shim is reported.",
)
@setting(
    "--agent-ports",
    "",
    "A,B",
    "Ports of the agent in the same pod, separated by commas; an agent without the shim is reported.",
)
@setting(
    "--require-signed",
    "",
    "PATH",
    "JWK set, or a directory of them; only peers whose card is signed with one of these keys are offered.",
)
@setting(
    "--max-card-bytes", "1048576", "BYTES", "Size limit of an agent card, after decompression."
)
@setting(
    "--credentials",
    "",
    "FILE",
    "Document with the credentials that peers require: tokens, headers, certificates.",
)
@setting(
    "--drain-seconds",
    "0",
    "SECONDS",
    "Longest time that GET /drain waits for the agent's turns to end; 0 disables it.",
)
@reach
@setting(
    "--listen",
    "auto",
    "HOST:PORT",
    "Address of status and metrics; none disables it; auto is 127.0.0.1:8090, in a pod :8090.",
)
@setting(
    "--allowed-hosts",
    "",
    "NAMES",
    "Further host names, separated by commas, that the HTTP server accepts in a Host header.",
)
@setting(
    "--bridge-listen",
    "none",
    "HOST:PORT",
    "Where to serve the peer tools over MCP, at /mcp, for an agent that cannot load the shim; or none.",
)
@setting(
    "--config-from",
    "",
    "DIR",
    "The folder of a kagent agent's configuration, to which the bridge is added.",
)
@setting("--config-to", "", "DIR", "The folder where that agent reads its configuration.")
@setting("--spawn-url", "", "URL", "The spawning tools, which that agent gets too.")
@setting(
    "--restart-dir",
    "",
    "DIR",
    "A folder shared with that agent's liveness probe, to restart it for a new configuration when idle.",
)
@conversation_options
@logging_options
def run(**raw: str) -> None:
    """Run the sidecar: keep a peer file up to date with a source of peers."""
    import asyncio
    from functools import partial

    from ..base.log import set_up_logging
    from ..base.settings import default_listen
    from ..sidecar.runner import run_sidecar
    from ..sidecar.settings import Settings

    if raw["listen"] == "auto":
        raw["listen"] = default_listen(os.environ)
    bridge = {name: raw.pop(name) for name in (*_OF_BRIDGE, *OF_CONVERSATIONS)}
    settings = Settings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    if bridge["bridge_listen"] in ("", "none"):
        asyncio.run(run_sidecar(settings))
        return
    from ..mcp.tracing import set_up_tracing

    set_up_tracing("hotpeers-bridge")
    # The MCP SDK takes memory that a sidecar without a bridge must not use.
    from ..mcp.bridge import BridgeSettings, inherited_listener, serve_bridge

    flag = "--bridge-listen (HOTPEERS_BRIDGE_LISTEN)"
    served = {name: raw[name] for name in _FOR_BOTH}
    listen = bridge.pop("bridge_listen")
    wanted = BridgeSettings.parse(flag, listen=listen, **served, **bridge)
    asyncio.run(run_sidecar(settings, partial(serve_bridge, wanted, inherited_listener())))
