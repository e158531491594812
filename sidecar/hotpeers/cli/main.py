"""The root command and the short commands. Each command imports its modules when it runs."""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from .. import __version__
from .check import check
from .completion import completion
from .console import console
from .controller import controller
from .explain import explain
from .failures import noticing_cut_off, run_command
from .history import history
from .hub import hub
from .inject import inject
from .mcp import mcp
from .options import FILE
from .output import FOUND
from .policy import policy
from .run import run
from .status import status

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main() -> None:
    """The console script `hotpeers`."""
    cli(prog_name="hotpeers")


def kubectl_main() -> None:
    """The console script `kubectl-hotpeers`, which kubectl runs as `kubectl hotpeers`."""
    cli(prog_name="kubectl hotpeers")


def kubectl_complete_main() -> None:
    """The console script `kubectl_complete-hotpeers`, which kubectl asks for completions."""
    from .completion import kubectl_completions

    for line in kubectl_completions(cli, sys.argv[1:]):
        click.echo(line)


class _Commands(click.Group):
    """The commands of hotpeers, and of installed packages.

    Packages add commands as entry points of the group `hotpeers.commands`.
    """

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command. Each error is one line on standard error, with one exit code."""
        run = partial(super().main, *args, standalone_mode=False, **extra)
        return run_command(run) if standalone_mode else run()

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the arguments, which may print the help."""
        with noticing_cut_off():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with noticing_cut_off():
            return super().invoke(ctx)

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


_COMMANDS = (
    *(run, controller, mcp, hub, console),
    *(status, history, check, explain, inject, policy, completion),
)
for _command in _COMMANDS:
    cli.add_command(_command)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...", type=FILE)
def validate(files: tuple[str, ...]) -> None:
    """Check manifests, agent cards and peer files; - is standard input.

    In a directory, it checks the files that `hotpeers run` reads.
    """
    from .validate import validate_inputs

    bad = False
    for finding in validate_inputs(files):
        for problem in finding.problems:
            click.echo(f"error: {problem}", err=True)
        for warning in finding.warnings:
            click.echo(f"warning: {warning}", err=True)
        for remark in finding.remarks:
            click.echo(f"ignored: {remark}")
        if finding.problems:
            bad = True
        else:
            click.echo(f"{finding.where}: ok: {finding.summary}")
    if bad:
        raise SystemExit(FOUND)


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
