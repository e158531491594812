"""The commands. Each imports what it needs as it runs: start scripts call `hotpeers shim path`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from . import __version__
from .errors import HotpeersError
from .policy_commands import policy
from .service_commands import controller, mcp, run

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


for _command in (run, controller, mcp, policy):
    cli.add_command(_command)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...")
def validate(files: tuple[str, ...]) -> None:
    """Check manifests, agent cards and peer files; - is standard input.

    Of a directory it reads what `hotpeers run` would.
    """
    from .validate import validate_inputs

    bad = False
    for finding in validate_inputs(files):
        for problem in finding.problems:
            click.echo(str(problem), err=True)
        for warning in finding.warnings:
            click.echo(f"warning: {warning}", err=True)
        for remark in finding.remarks:
            click.echo(f"ignored: {remark}")
        if finding.problems:
            bad = True
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
