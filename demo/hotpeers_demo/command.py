"""`hotpeers demo`: the command that `hotpeers` gains where this package is installed."""

from __future__ import annotations

import asyncio

import click


@click.command()
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
    # `hotpeers --help` loads this module, and must not wait for the libraries of the demonstration.
    from .performance import DemoOptions, perform  # noqa: PLC0415

    options = DemoOptions(
        runtime=runtime,
        source=source,
        agent_python=agent_python,
        model=model,
        json_output=json_output,
        keep=keep,
    )
    raise SystemExit(asyncio.run(perform(options)))
