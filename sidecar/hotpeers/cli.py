"""The commands. Each imports what it needs as it runs: start scripts call `hotpeers shim path`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import NoReturn

import click

from . import __version__
from .errors import HotpeersError

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


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="hotpeers")
def cli() -> None:
    """Lets a running agent gain, lose and change sub-agents with no restart."""


@cli.command()
@click.option(
    "--source",
    envvar="HOTPEERS_SOURCE",
    default="directory",
    show_default=True,
    metavar="[directory|kubernetes]",
    help="Where peers come from.",
)
@click.option(
    "--peers-dir",
    envvar="HOTPEERS_PEERS_DIR",
    default="",
    metavar="DIR",
    help="The directory of manifests.",
)
@click.option(
    "--peer-file",
    envvar="HOTPEERS_PEER_FILE",
    metavar="FILE",
    show_default=True,
    default="/var/run/hotpeers/peers.json",
    help="The peer file to keep up to date.",
)
@click.option(
    "--ack-dir",
    envvar="HOTPEERS_ACK_DIR",
    default="",
    metavar="DIR",
    help="Where agents put their acks.  [default: acks/ beside the peer file]",
)
@click.option(
    "--selector",
    envvar="HOTPEERS_SELECTOR",
    default="",
    metavar="SELECTOR",
    help="Labels a peer must have.  [default: any; in a cluster hotpeers.dev/peer=true]",
)
@click.option(
    "--namespaces",
    envvar="HOTPEERS_NAMESPACES",
    default="",
    metavar="A,B",
    help="Namespaces a peer may be in, * for all.  [default: all; in a pod its own]",
)
@click.option(
    "--orchestrator",
    envvar="HOTPEERS_ORCHESTRATOR",
    default="",
    metavar="NS/NAME",
    help="The agent that gets the peers; it is never its own peer.",
)
@click.option(
    "--kubeconfig",
    envvar="KUBECONFIG",
    default="",
    metavar="FILE",
    help="How to reach the cluster.  [default: a pod's service account, else ~/.kube/config]",
)
@click.option(
    "--context",
    envvar="HOTPEERS_CONTEXT",
    default="",
    metavar="NAME",
    help="Of the kubeconfig.  [default: its current one]",
)
@click.option(
    "--listen",
    envvar="HOTPEERS_LISTEN",
    default=":8090",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to serve status and metrics, or none.",
)
@click.option(
    "--log-format",
    envvar="HOTPEERS_LOG_FORMAT",
    default="text",
    show_default=True,
    metavar="[text|json]",
    help="How to log.",
)
@click.option(
    "--log-level",
    envvar="HOTPEERS_LOG_LEVEL",
    default="info",
    show_default=True,
    metavar="[debug|info|warning|error]",
    help="How much to log.",
)
def run(**raw: str) -> None:
    """Keep a peer file up to date with its source."""
    from .log import set_up_logging
    from .runner import run_sidecar
    from .settings import Settings

    settings = Settings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_sidecar(settings))


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
