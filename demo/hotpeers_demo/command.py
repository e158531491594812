"""`hotpeers demo`: the command that this package adds to `hotpeers` when it is installed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click


@click.command()
@click.option(
    "--runtime",
    type=click.Choice(["kagent", "adk"]),
    default="kagent",
    show_default=True,
    help="The kind of orchestrator to start.",
)
@click.option(
    "--source",
    type=click.Choice(["directory", "kubernetes"]),
    default="directory",
    show_default=True,
    help="Where to put its peers: a directory, or the cluster of the current kubeconfig.",
)
@click.option(
    "--agent-python",
    type=click.Path(dir_okay=False),
    metavar="PATH",
    help="Path of the Python in the orchestrator's environment.  [default: .venvs/RUNTIME, else this]",
)
@click.option(
    "--model",
    metavar="NAME",
    help="A real model at OPENAI_BASE_URL, with OPENAI_API_KEY.  [default: a scripted model]",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Also draw the timeline as an SVG picture.",
)
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--keep", is_flag=True, help="Keep everything running at the end, until Ctrl-C.")
def demo(  # noqa: PLR0913 - one argument per option
    runtime: str,
    source: str,
    agent_python: str | None,
    model: str | None,
    picture: str | None,
    *,
    json_output: bool,
    keep: bool,
) -> None:
    """Hold one conversation with a real orchestrator while its sub-agents change."""
    # Import late: `hotpeers --help` loads this module, and must not load the demonstration's libraries.
    from .performance import DemoOptions, perform  # noqa: PLC0415

    options = DemoOptions(
        runtime=runtime,
        source=source,
        agent_python=agent_python,
        model=model,
        json_output=json_output,
        keep=keep,
        picture=None if picture is None else Path(picture),
    )
    raise SystemExit(asyncio.run(perform(options)))
