"""The commands. Each imports what it needs as it runs: start scripts call `hotpeers shim path`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from . import __version__
from .errors import HotpeersError
from .policy_commands import policy

_Command = TypeVar("_Command", bound=Callable[..., None])
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main() -> None:
    """The console script: an error of ours is one line and exit code 1."""
    try:
        cli(prog_name="hotpeers")
    except HotpeersError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


def _setting(
    flag: str, default: str, metavar: str, meaning: str, *, envvar: str = ""
) -> Callable[[_Command], _Command]:
    """Make an option that is a setting too: `--peer-file` is HOTPEERS_PEER_FILE."""
    return click.option(
        flag,
        envvar=envvar or f"HOTPEERS_{flag.removeprefix('--').replace('-', '_').upper()}",
        default=default,
        show_default=bool(default),
        metavar=metavar,
        help=meaning,
    )


def _reach(command: _Command) -> _Command:
    """The settings of every command that asks a cluster."""
    meaning = "How to reach the cluster.  [default: a pod's service account, else ~/.kube/config]"
    context = _setting("--context", "", "NAME", "Of the kubeconfig.  [default: its current one]")
    kubeconfig = _setting("--kubeconfig", "", "FILE", meaning, envvar="KUBECONFIG")
    return kubeconfig(context(command))


def _logging(command: _Command) -> _Command:
    """The settings of every command that goes on running."""
    levels = "[debug|info|warning|error]"
    level = _setting("--log-level", "info", levels, "How much to log.")
    form = _setting("--log-format", "text", "[text|json]", "How to log.")
    return form(level(command))


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="hotpeers")
def cli() -> None:
    """Lets a running agent gain, lose and change sub-agents with no restart."""


@cli.command()
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
    "--shim-dir", "", "DIR", "Where the agent finds the shim: to tell if it is missing there."
)
@_reach
@_setting("--listen", ":8090", "HOST:PORT", "Where to serve status and metrics, or none.")
@_logging
def run(**raw: str) -> None:
    """Keep a peer file up to date with its source."""
    import asyncio

    from .log import set_up_logging
    from .runner import run_sidecar
    from .settings import Settings

    settings = Settings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_sidecar(settings))


@cli.command()
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
@_setting("--lease", "hotpeers-controller", "NAME", "The Lease that elects a leader.")
@_setting(
    "--bind-readers",
    "true",
    "[true|false]",
    "Give injected orchestrators the rights to read peers.",
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
@_setting("--drain-seconds", "5", "SECONDS", "How long to serve on after a signal to end.")
@_reach
@_logging
def controller(**raw: str) -> None:
    """Put the sidecar and the shim into pods that ask for it: the webhook of a cluster."""
    import asyncio

    from .controller.runner import run_controller
    from .controller.settings import ControllerSettings
    from .log import set_up_logging

    settings = ControllerSettings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_controller(settings))


@cli.command()
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
@_reach
@_logging
def mcp(**raw: str) -> None:
    """Serve the tools that find, create and delete agents, over MCP."""
    import asyncio

    from .log import set_up_logging
    from .spawn.server import run_mcp
    from .spawn.settings import McpSettings

    settings = McpSettings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_mcp(settings))


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def validate(files: tuple[str, ...]) -> None:
    """Check manifests, agent cards and peer files; - is standard input."""
    from .validate import validate_bytes

    bad = 0
    for name in files:
        try:
            raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            bad += 1
            click.echo(f"{name}: {error.strerror or error} (FileUnreadable)", err=True)
            continue
        finding = validate_bytes(raw, "stdin" if name == "-" else name)
        for problem in finding.problems:
            click.echo(str(problem), err=True)
        for remark in finding.remarks:
            click.echo(f"ignored: {remark}")
        if finding.problems:
            bad += 1
        else:
            click.echo(f"{finding.where}: ok: {finding.summary}")
    if bad:
        raise SystemExit(1)


@cli.command()
@click.option("--url", default="http://127.0.0.1:8090", show_default=True, help="Of the sidecar.")
@click.option("--json", "as_json", is_flag=True, help="Print the status document as it is.")
def status(url: str, *, as_json: bool) -> None:
    """Show what a running sidecar offers, what it refuses and what agents have live."""
    import json

    from rich.console import Console

    from .report import fetch_status, show_status

    document = fetch_status(url)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show_status(document, Console())


cli.add_command(policy)


@cli.group()
def shim() -> None:
    """The part that runs inside the agent's process."""


@shim.command("path")
def shim_path() -> None:
    """Print what belongs on the PYTHONPATH of an agent."""
    from .shim import bootstrap_folder

    click.echo(bootstrap_folder())


@shim.command("install")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def shim_install(folder: Path) -> None:
    """Copy the shim to DIR, and print what then belongs on the PYTHONPATH."""
    from .shim import install_shim

    click.echo(install_shim(folder))


@cli.command()
@click.option(
    "--runtime",
    type=click.Choice(["kagent", "adk"]),
    default="kagent",
    show_default=True,
    help="Which orchestrator to start.",
)
@click.option(
    "--source",
    type=click.Choice(["directory", "kubernetes"]),
    default="directory",
    show_default=True,
    help="Where its peers are put: a folder, or the cluster of the current kubeconfig.",
)
@click.option(
    "--agent-python",
    type=click.Path(dir_okay=False),
    metavar="PATH",
    help="The Python of the orchestrator's environment.  [default: this one]",
)
@click.option(
    "--model",
    metavar="NAME",
    help="A real model, by OPENAI_API_KEY and OPENAI_BASE_URL.  [default: a script]",
)
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
def demo(  # noqa: PLR0913 - one argument an option
    runtime: str,
    source: str,
    agent_python: str | None,
    model: str | None,
    *,
    json_output: bool,
    keep: bool,
) -> None:
    """Hold one conversation with a real orchestrator while its sub-agents change."""
    import asyncio

    from .demo import DemoOptions, run_demo

    options = DemoOptions(
        runtime=runtime,
        source=source,
        agent_python=agent_python,
        model=model,
        json_output=json_output,
        keep=keep,
    )
    raise SystemExit(asyncio.run(run_demo(options)))
