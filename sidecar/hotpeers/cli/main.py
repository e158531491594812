"""The root command and the short commands. Each command imports its modules when it runs."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NoReturn

import click

from .. import __version__
from ..base.errors import HotpeersError
from .check import check
from .controller import controller
from .explain import explain
from .hub import hub
from .inject import inject
from .mcp import mcp
from .policy import policy
from .run import run

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main() -> None:
    """The console script: prints a `HotpeersError` as one line and exits with code 1."""
    try:
        cli(prog_name="hotpeers")
    except HotpeersError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


class _Commands(click.Group):
    """The commands of hotpeers, and of installed packages.

    Packages add commands as entry points of the group `hotpeers.commands`.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_further_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        # Scan the installed packages only for unknown names: it takes milliseconds, and start scripts
        # call `hotpeers shim path`.
        further = None if own is not None else _further_commands().get(cmd_name)
        return own if further is None else further.load()


def _further_commands() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="hotpeers.commands")}


@click.group(cls=_Commands, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="hotpeers")
def cli() -> None:
    """Add, change and remove the sub-agents of a running agent without a restart."""


for _command in (run, controller, mcp, hub, policy, inject, check, explain):
    cli.add_command(_command)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...")
def validate(files: tuple[str, ...]) -> None:
    """Check manifests, agent cards and peer files; - is standard input.

    In a directory, it checks the files that `hotpeers run` reads.
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
@click.option(
    "--url",
    default="http://127.0.0.1:8090",
    show_default=True,
    help="URL of the sidecar's status server.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the status document as JSON.")
def status(url: str, *, as_json: bool) -> None:
    """Show the peers of a running sidecar, the refused candidates and the state of the agents."""
    import json

    from rich.console import Console

    from .status import fetch_status, show_status

    document = fetch_status(url)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show_status(document, Console())


@cli.group()
def shim() -> None:
    """Locate or copy the shim, the part that runs inside the agent's process."""


@shim.command("path")
def shim_path() -> None:
    """Print the folder to add to the PYTHONPATH of an agent."""
    from ..sidecar.shim.install import bootstrap_folder

    click.echo(bootstrap_folder())


@shim.command("install")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def shim_install(folder: Path) -> None:
    """Copy the shim to DIR, and print the folder to add to the PYTHONPATH of an agent."""
    from ..sidecar.shim.install import install_shim

    click.echo(install_shim(folder))
