"""The long-running commands: the sidecar, the controller and the tools for spawning.

Each option can also be set by an environment variable. Each command imports its modules when it runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., None])


def _setting(
    flag: str, default: str, metavar: str, meaning: str, *, envvar: str = ""
) -> Callable[[_Command], _Command]:
    """An option that also has an environment variable, such as HOTPEERS_PEER_FILE for `--peer-file`."""
    return click.option(
        flag,
        envvar=envvar or f"HOTPEERS_{flag.removeprefix('--').replace('-', '_').upper()}",
        default=default,
        show_default=bool(default),
        metavar=metavar,
        help=meaning,
    )


def _reach(command: _Command) -> _Command:
    """Adds the options of commands that connect to a cluster."""
    meaning = "Path of the kubeconfig.  [default: the pod's ServiceAccount, else ~/.kube/config]"
    context = _setting(
        "--context", "", "NAME", "Context of the kubeconfig to use.  [default: its current context]"
    )
    kubeconfig = _setting("--kubeconfig", "", "FILE", meaning, envvar="KUBECONFIG")
    return kubeconfig(context(command))


_OF_BRIDGE = ("bridge_listen", "config_from", "config_to", "spawn_url")
_OF_CONVERSATIONS = ("wait_seconds", "conversation_key_file")


def _conversations(command: _Command) -> _Command:
    """Adds the options of the peer tools."""
    wait = _setting(
        "--wait-seconds",
        "25",
        "SECONDS",
        "How long ask_agent waits for an answer before it points to get_answer.",
    )
    key = _setting(
        "--conversation-key-file",
        "",
        "FILE",
        "The key that seals conversations, 32 bytes.  [default: a new one beside the peer file]",
    )
    return wait(key(command))


def _logging(command: _Command) -> _Command:
    """Adds the logging options of long-running commands."""
    levels = "[debug|info|warning|error]"
    level = _setting("--log-level", "info", levels, "The least severe level that is logged.")
    form = _setting("--log-format", "text", "[text|json]", "Format of the log on standard error.")
    return form(level(command))


@click.command()
@_setting("--source", "directory", "[directory|kubernetes]", "Where to read peers from.")
@_setting(
    "--peers-dir", "", "DIR", "Directory of peer manifests; required with --source directory."
)
@_setting("--peer-file", "/var/run/hotpeers/peers.json", "FILE", "Path of the peer file to write.")
@_setting(
    "--ack-dir",
    "",
    "DIR",
    "Directory of the acks of agents.  [default: acks/ beside the peer file]",
)
@_setting(
    "--selector",
    "",
    "SELECTOR",
    "Label selector of peers.  [default: all; with --source kubernetes hotpeers.dev/peer=true]",
)
@_setting(
    "--namespaces",
    "",
    "A,B",
    "Namespaces of peers, separated by commas; * means all.  [default: all; in a pod its own]",
)
@_setting(
    "--orchestrator",
    "",
    "NS/NAME",
    "Namespace and name of the agent that gets the peers; it is never its own peer.",
)
@_setting(
    "--user-headers-to",
    "",
    "ORIGINS",
    "Origins that get the headers which identify the user, besides kagent Agents; separated by commas.",
)
@_setting(
    "--shim-dir",
    "",
    "DIR",
    "Directory from which the agent loads the shim; a missing shim is reported.",
)
@_setting(
    "--agent-ports",
    "",
    "A,B",
    "Ports of the agent in the same pod, separated by commas; an agent without the shim is reported.",
)
@_setting(
    "--require-signed",
    "",
    "PATH",
    "JWK set, or a directory of them; only peers whose card is signed with one of these keys are offered.",
)
@_setting(
    "--max-card-bytes", "1048576", "BYTES", "Size limit of an agent card, after decompression."
)
@_setting(
    "--credentials",
    "",
    "FILE",
    "Document with the credentials that peers require: tokens, headers, certificates.",
)
@_setting(
    "--drain-seconds",
    "0",
    "SECONDS",
    "Longest time that GET /drain waits for the agent's turns to end; 0 disables it.",
)
@_reach
@_setting(
    "--listen",
    "auto",
    "HOST:PORT",
    "Address of status and metrics; none disables it; auto is 127.0.0.1:8090, in a pod :8090.",
)
@_setting(
    "--allowed-hosts",
    "",
    "NAMES",
    "Further host names, separated by commas, that the HTTP server accepts in a Host header.",
)
@_setting(
    "--bridge-listen",
    "none",
    "HOST:PORT",
    "Where to serve the peer tools over MCP, at /mcp, for an agent that cannot load the shim; or none.",
)
@_setting(
    "--config-from",
    "",
    "DIR",
    "The folder of a kagent agent's configuration, to which the bridge is added.",
)
@_setting("--config-to", "", "DIR", "The folder where that agent reads its configuration.")
@_setting("--spawn-url", "", "URL", "The spawning tools, which that agent gets too.")
@_conversations
@_logging
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
    bridge = {name: raw.pop(name) for name in (*_OF_BRIDGE, *_OF_CONVERSATIONS)}
    settings = Settings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    if bridge["bridge_listen"] in ("", "none"):
        asyncio.run(run_sidecar(settings))
        return
    # The MCP SDK takes memory that a sidecar without a bridge must not use.
    from ..mcp.bridge import BridgeSettings, inherited_listener, serve_bridge

    flag = "--bridge-listen (HOTPEERS_BRIDGE_LISTEN)"
    served = {name: raw[name] for name in ("peer_file", "ack_dir", "orchestrator", "agent_ports")}
    listen = bridge.pop("bridge_listen")
    wanted = BridgeSettings.parse(flag, listen=listen, **served, **bridge)
    asyncio.run(run_sidecar(settings, partial(serve_bridge, wanted, inherited_listener())))


@click.command()
@_setting("--listen", ":9443", "HOST:PORT", "Address of the webhook server (TLS).")
@_setting(
    "--health-listen",
    ":8080",
    "HOST:PORT",
    "Address of the HTTP server for health and metrics; none disables it.",
)
@_setting(
    "--namespace",
    "",
    "NAME",
    "Namespace of the controller.  [default: the pod's, else the kubeconfig's]",
)
@_setting(
    "--identity",
    "",
    "NAME",
    "Name of this replica as holder of the Lease.  [default: the host name]",
)
@_setting(
    "--service",
    "hotpeers-controller",
    "NAME",
    "Name of the Service of the webhooks; the certificate is issued for its DNS names.",
)
@_setting(
    "--webhook-configuration",
    "hotpeers-injector",
    "NAME",
    "Webhook configuration whose caBundle the controller maintains; none disables this.",
)
@_setting("--registry-url", "", "URL", "URL of the agentregistry for templates and spawning tools.")
@_setting(
    "--guard-configuration",
    "hotpeers-guard",
    "NAME",
    "Name of both webhook configurations that enforce SpawnPolicies; none disables the guard.",
)
@_setting(
    "--hold-configuration",
    "zz-hotpeers-hold",
    "NAME",
    "Webhook configuration that holds rollouts of hot configurations; none disables holds.",
)
@_setting(
    "--account",
    "",
    "USER",
    "User name of the controller's own requests, such as system:serviceaccount:NS:NAME.",
)
@_setting(
    "--hold-ack-seconds",
    "20",
    "SECONDS",
    "Time in which a Ready pod must apply a held configuration, or its Deployment rolls.",
)
@_setting(
    "--hold-repay",
    "true",
    "[true|false]",
    "Whether to roll held Deployments once they are idle.",
)
@_setting(
    "--hold-idle-seconds",
    "600",
    "SECONDS",
    "Time that the pods of a held Deployment must be idle before it is rolled.",
)
@_setting(
    "--hold-window",
    "",
    "WINDOW",
    "UTC times when they may be rolled, such as 'Sat,Sun 02:00-05:00'.  [default: always]",
)
@_setting(
    "--check-secrets",
    "auto",
    "auto|true|false",
    "Whether to deny an agent with the name of a Secret; auto: if RBAC allows to get Secrets.",
)
@_setting(
    "--policies-per-namespace",
    "64",
    "NUMBER",
    "Maximum number of SpawnPolicies that are served in a namespace, the oldest first.",
)
@_setting(
    "--subjects-per-namespace",
    "256",
    "NUMBER",
    "Maximum number of subjects that the SpawnPolicies of a namespace may name, up to 512.",
)
@_setting("--registry-token-file", "", "FILE", "File with a bearer token for the agentregistry.")
@_setting(
    "--orchestrator-token-secret",
    "",
    "NAME/KEY",
    "Secret in the orchestrator's namespace with an agentregistry token for its spawning tools.",
)
@_setting(
    "--certificate-secret",
    "hotpeers-certificates",
    "NAME",
    "Name of the Secret that stores the certificates.",
)
@_setting(
    "--certificate-dir",
    "",
    "DIR",
    "Directory with tls.crt and tls.key to use in place of the Secret.",
)
@_setting(
    "--client-ca",
    "",
    "FILE",
    "File with a CA certificate; only clients with a certificate of this CA may call the webhooks.",
)
@_setting("--lease", "hotpeers-controller", "NAME", "Name of the Lease for leader election.")
@_setting(
    "--bind-readers",
    "true",
    "[true|false]",
    "Whether to bind the ServiceAccounts of injected orchestrators to the role that reads peers.",
)
@_setting(
    "--injection-namespaces",
    "",
    "SELECTOR",
    "Label selector of the Namespaces in which --bind-readers applies.  [default: all]",
)
@_setting("--image", "", "IMAGE", "Image of the injected containers; required.")
@_setting(
    "--image-pull-policy",
    "IfNotPresent",
    "[IfNotPresent|Always|Never]",
    "Pull policy of the injected containers.",
)
@_setting(
    "--native-sidecars",
    "auto",
    "[auto|true|false]",
    "Whether to inject native sidecars (Kubernetes 1.29 and newer); auto asks the API server.",
)
@_setting(
    "--sidecar-resources",
    '{"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}',
    "JSON",
    "Requests and limits of each injected container.",
)
@_setting(
    "--max-drain-seconds",
    "600",
    "SECONDS",
    "Longest drain that an injected pod may request; 0 disables drains.",
)
@_setting(
    "--drain-seconds", "5", "SECONDS", "Time for which to keep serving after SIGTERM or SIGINT."
)
@_reach
@_logging
def controller(**raw: str) -> None:
    """Run the controller: its webhooks inject pods, enforce SpawnPolicies and hold rollouts."""
    import asyncio

    from ..base.log import set_up_logging
    from ..controller.runner import run_controller
    from ..controller.settings import ControllerSettings

    settings = ControllerSettings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_controller(settings))


@click.command()
@_setting(
    "--tools",
    "spawn",
    "[spawn|peers]",
    "The tools to serve: to find, create and delete agents, or to ask the agents of a peer file.",
)
@_setting("--registry-url", "", "URL", "URL of the agentregistry, such as http://host:12121.")
@_setting("--registry-token-file", "", "FILE", "File with a bearer token for the agentregistry.")
@_setting("--listen", "127.0.0.1:8091", "HOST:PORT", "Address of the MCP server; its path is /mcp.")
@_setting(
    "--health-listen",
    "none",
    "HOST:PORT",
    "Address of a further HTTP server that has only /healthz; none disables it.",
)
@_setting(
    "--token-file",
    "",
    "FILE",
    "File with the bearer token of callers; required unless --listen is a loopback address.",
)
@_setting(
    "--orchestrator", "", "NS/NAME", "Namespace and name of the agent that spawns with these tools."
)
@_setting(
    "--namespace",
    "",
    "NAME",
    "Namespace of agents if a call names none.  [default: the orchestrator's, else the pod's]",
)
@_setting(
    "--peer-file",
    "",
    "FILE",
    "Peer file of the sidecar in this pod: wait_for_agent also waits until the agent is in it.",
)
@_setting(
    "--ack-dir",
    "",
    "DIR",
    "Directory of the acks of agents.  [default: acks/ beside the peer file]",
)
@_conversations
@_reach
@_logging
def mcp(**raw: str) -> None:
    """Serve tools over MCP: to find, create and delete agents, or to ask agents."""
    import asyncio

    from ..base.errors import SettingsError
    from ..base.log import set_up_logging
    from ..base.settings import parse_logging

    tools = raw.pop("tools")
    if tools not in ("spawn", "peers"):
        raise SettingsError(f"--tools (HOTPEERS_TOOLS): {tools!r} is not 'spawn' or 'peers'")
    conversations = {name: raw.pop(name) for name in _OF_CONVERSATIONS}
    if tools == "peers":
        from ..mcp.bridge import BridgeSettings, run_bridge

        names = ("listen", "peer_file", "ack_dir", "orchestrator", "token_file")
        chosen = {name: raw[name] for name in names}
        flag = "--listen (HOTPEERS_LISTEN)"
        bridge = BridgeSettings.parse(flag, **chosen, **conversations)
        set_up_logging(*parse_logging(raw["log_format"], raw["log_level"]))
        asyncio.run(run_bridge(bridge))
        return
    from ..mcp.server import run_mcp
    from ..mcp.settings import McpSettings

    settings = McpSettings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_mcp(settings))
