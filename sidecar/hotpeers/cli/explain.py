"""`hotpeers explain`: what a reason means, and what to do about it, without a network."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("reason", required=False)
def explain(reason: str | None) -> None:
    """Explain REASON, a word of status, logs, Events or denials; without it, list all."""
    from .explain_text import explanation, for_terminal, word_list

    if reason is None:
        click.echo(word_list(), nl=False)
        return
    page = for_terminal(explanation(reason))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
    else:
        click.echo(page, nl=False)
