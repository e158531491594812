"""The text output of `hotpeers policy`."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from ..spawnpolicy.check import Checked, Manifests
from ..spawnpolicy.explain import explain


def show_check(manifests: Manifests, verdicts: Sequence[Checked], console: Console) -> None:
    """Print the problems of the files, then each verdict with a line for each denial."""
    _problems(manifests)
    for verdict in verdicts:
        decision = verdict.decision
        under = f" under {decision.policy}" if decision.policy else ""
        if not decision.allowed:
            word, style = "refused", "red"
        elif decision.denials:
            word, style = "would be refused", "yellow"
        else:
            word, style = "admitted", "green"
        _line(
            console, f"{verdict.document.place}: ", f"{verdict.title} ", (f"{word}{under}", style)
        )
        for line in decision.message.splitlines():
            _line(console, f"  {line}")
    if not verdicts and not manifests.problems:
        _line(console, "no manifest to check: the files hold only policies")


def show_policies(manifests: Manifests, console: Console) -> None:
    """Print the problems of the files, then the permissions of each policy."""
    _problems(manifests)
    for number, policy in enumerate(manifests.policies):
        head, *lines = explain(policy)
        if number:
            _line(console, "")
        _line(console, (head, "bold"))
        for line in lines:
            _line(console, f"- {line}")
    if not manifests.policies and not manifests.problems:
        click.echo("error: the files hold no SpawnPolicy", err=True)


def _problems(manifests: Manifests) -> None:
    for problem in manifests.problems:
        click.echo(f"error: {problem}", err=True)


def _line(console: Console, *parts: str | tuple[str, str]) -> None:
    # Use Text, so that text from a manifest is not read as markup, and do not wrap lines, because
    # programs read them too.
    console.print(Text.assemble(*parts), soft_wrap=True)
