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
    meaning = "How to reach the cluster.  [default: a pod's service account, else ~/.kube/config]"
    context = _setting("--context", "", "NAME", "Of the kubeconfig.  [default: its current one]")
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
    level = _setting("--log-level", "info", levels, "How much to log.")
    form = _setting("--log-format", "text", "[text|json]", "How to log.")
    return form(level(command))


@click.command()
@_setting("--source", "directory", "[directory|kubernetes]", "Where peers come from.")
@_setting("--peers-dir", "", "DIR", "The directory of manifests.")
@_setting(
    "--peer-file", "/var/run/hotpeers/peers.json", "FILE", "The peer file to keep up to date."
)
@_setting(
    "--ack-dir", "", "DIR", "Where agents put their acks.  [default: acks/ beside the peer file]"
)
@_setting(
    "--selector",
    "",
    "SELECTOR",
    "Labels a peer must have.  [default: any; in a cluster hotpeers.dev/peer=true]",
)
@_setting(
    "--namespaces",
    "",
    "A,B",
    "Namespaces a peer may be in, * for all.  [default: all; in a pod its own]",
)
@_setting(
    "--orchestrator", "", "NS/NAME", "The agent that gets the peers; it is never its own peer."
)
@_setting(
    "--user-headers-to",
    "",
    "ORIGINS",
    "Origins that may get the user's headers.  [default: kagent Agents of the cluster]",
)
@_setting(
    "--shim-dir", "", "DIR", "Where the agent finds the shim: to tell if it is missing there."
)
@_setting(
    "--agent-ports",
    "",
    "A,B",
    "Where the agent beside it serves: to tell if it runs without the shim.",
)
@_setting(
    "--require-signed",
    "",
    "PATH",
    "A JWK set, or a folder of them: offer only peers whose agent card is signed with one of its keys.",
)
@_setting("--max-card-bytes", "1048576", "BYTES", "The largest agent card that is read.")
@_setting("--credentials", "", "FILE", "The document of what peers ask for: tokens, certificates.")
@_setting(
    "--drain-seconds",
    "0",
    "SECONDS",
    "How long GET /drain waits for the agent's turns to end; 0 disables it.",
)
@_reach
@_setting(
    "--listen",
    "auto",
    "HOST:PORT",
    "Where to serve status and metrics, or none; auto is 127.0.0.1:8090, in a pod :8090.",
)
@_setting("--allowed-hosts", "", "NAMES", "Further names under which it is asked, see the docs.")
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
    """Keep a peer file up to date with its source."""
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
@_setting("--listen", ":9443", "HOST:PORT", "Where to serve the webhooks, over TLS.")
@_setting("--health-listen", ":8080", "HOST:PORT", "Where to serve health and metrics, or none.")
@_setting(
    "--namespace", "", "NAME", "The controller's own.  [default: the pod's, else the kubeconfig's]"
)
@_setting("--identity", "", "NAME", "The holder of the Lease.  [default: the host's name]")
@_setting(
    "--service",
    "hotpeers-controller",
    "NAME",
    "The Service that leads here; its names stand in the certificate.",
)
@_setting(
    "--webhook-configuration",
    "hotpeers-injector",
    "NAME",
    "Whose caBundle to keep right, or none.",
)
@_setting("--registry-url", "", "URL", "The agentregistry of templates and of tools for spawning.")
@_setting(
    "--guard-configuration",
    "hotpeers-guard",
    "NAME",
    "The webhook configurations that enforce SpawnPolicies, or none.",
)
@_setting(
    "--hold-configuration",
    "zz-hotpeers-hold",
    "NAME",
    "The webhook configuration that holds rollouts of hot configurations, or none.",
)
@_setting(
    "--account", "", "USER", "The controller's own user, such as system:serviceaccount:NS:NAME."
)
@_setting(
    "--hold-ack-seconds",
    "20",
    "SECONDS",
    "How long a Ready pod may take to have a held configuration, before its Deployment rolls.",
)
@_setting(
    "--hold-repay",
    "true",
    "[true|false]",
    "Whether held Deployments are rolled once they are idle.",
)
@_setting("--hold-idle-seconds", "600", "SECONDS", "How long their pods must have been idle.")
@_setting(
    "--hold-window",
    "",
    "WINDOW",
    "When they may be rolled, in UTC, such as 'Sat,Sun 02:00-05:00'; default: always.",
)
@_setting(
    "--check-secrets",
    "auto",
    "auto|true|false",
    "Whether agents with the name of a Secret are refused; auto: where it may get Secrets.",
)
@_setting(
    "--policies-per-namespace",
    "64",
    "NUMBER",
    "The most SpawnPolicies of one namespace that are served.",
)
@_setting(
    "--subjects-per-namespace",
    "256",
    "NUMBER",
    "The most subjects that the SpawnPolicies of one namespace may name.",
)
@_setting("--registry-token-file", "", "FILE", "A bearer token for it.")
@_setting(
    "--orchestrator-token-secret",
    "",
    "NAME/KEY",
    "A Secret of an orchestrator's own namespace with one for its tools.",
)
@_setting(
    "--certificate-secret",
    "hotpeers-certificates",
    "NAME",
    "The Secret that keeps the certificates.",
)
@_setting(
    "--certificate-dir",
    "",
    "DIR",
    "A folder with tls.crt and tls.key, to serve with in place of the Secret.",
)
@_setting(
    "--client-ca",
    "",
    "FILE",
    "Only clients with a certificate of this authority may call the webhooks.",
)
@_setting("--lease", "hotpeers-controller", "NAME", "The Lease that elects a leader.")
@_setting(
    "--bind-readers",
    "true",
    "[true|false]",
    "Give injected orchestrators the rights to read peers.",
)
@_setting(
    "--injection-namespaces",
    "",
    "SELECTOR",
    "Labels of the Namespaces whose injected pods may be given those rights; default all.",
)
@_setting("--image", "", "IMAGE", "The image that is injected; needed.")
@_setting("--image-pull-policy", "IfNotPresent", "[IfNotPresent|Always|Never]", "Of that image.")
@_setting(
    "--native-sidecars",
    "auto",
    "[auto|true|false]",
    "Whether init containers can be sidecars: Kubernetes 1.29 and newer.",
)
@_setting(
    "--sidecar-resources",
    '{"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}',
    "JSON",
    "The requests and limits of each container that is injected.",
)
@_setting(
    "--max-drain-seconds",
    "600",
    "SECONDS",
    "Longest drain that an injected pod may ask for; 0 disables drains.",
)
@_setting("--drain-seconds", "5", "SECONDS", "How long to serve on after a signal to end.")
@_reach
@_logging
def controller(**raw: str) -> None:
    """Put the sidecar and the shim into pods that ask for it: the webhook of a cluster."""
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
@_setting("--registry-url", "", "URL", "The agentregistry to search, such as http://host:12121.")
@_setting("--registry-token-file", "", "FILE", "A bearer token for it.")
@_setting("--listen", "127.0.0.1:8091", "HOST:PORT", "Where to serve the tools, at /mcp.")
@_setting("--health-listen", "none", "HOST:PORT", "Where to serve /healthz alone, or none.")
@_setting(
    "--token-file",
    "",
    "FILE",
    "The bearer token that callers must have; needed where others than this host can call.",
)
@_setting("--orchestrator", "", "NS/NAME", "The agent that the tools are for.")
@_setting(
    "--namespace",
    "",
    "NAME",
    "Where agents are spawned unless told.  [default: the orchestrator's, else the pod's]",
)
@_setting("--peer-file", "", "FILE", "The peer file of the sidecar beside, to wait for an offer.")
@_setting(
    "--ack-dir", "", "DIR", "Where agents put their acks.  [default: acks/ beside the peer file]"
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
