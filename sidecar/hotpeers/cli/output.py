"""How commands print: tables to terminals and pipes, and documents as JSON and YAML."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

FOUND = 1
"""The exit code of a command that did its work, and found something that is wrong."""
FAILED = 2
"""The exit code of a command that could not do its work."""

_Command = TypeVar("_Command", bound=Callable[..., None])


def output_option(*formats: str) -> Callable[[_Command], _Command]:
    """The option `-o`, and `--json`, which is short for `-o json`. The first format is the default."""

    def add(command: _Command) -> _Command:
        chosen = click.option(
            "-o",
            "--output",
            type=click.Choice(formats),
            default=formats[0],
            show_default=True,
            help="Format of the output.",
        )
        short = click.option("--json", "output", flag_value="json", hidden=True)
        return chosen(short(command))

    return add


def make_console() -> Console:
    """The console for standard output. Only a real terminal is one, whatever FORCE_COLOR says.

    Programs that read a pipe get whole lines without colours.
    """
    from rich.console import Console

    return Console(highlight=False, force_terminal=sys.stdout.isatty())


def print_document(document: Any, output: str, *, stream: bool = False) -> None:
    """Print a document as `json` or `yaml`. With `stream` it is one of many: a line, or `---` before it."""
    if output == "json":
        indent = None if stream else 2
        click.echo(json.dumps(document, indent=indent, ensure_ascii=False))
        return
    import yaml

    # The dumper in C is five times as fast, where PyYAML was built with it.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
    click.echo(f"---\n{text}" if stream else text, nl=False)


def print_lines(console: Console, lines: Iterable[Text]) -> None:
    """Print lines. Without a terminal they are plain, and never wrapped."""
    if not console.is_terminal:
        click.echo("".join(f"{line.plain}\n" for line in lines), nl=False)
        return
    from rich.text import Text

    # Rows of tables fit already, if they can. Other lines are wrapped between words.
    fitted = [
        part
        for line in lines
        for part in ([line] if line.no_wrap else line.wrap(console, console.width))
    ]
    if fitted:
        console.print(Text("\n").join(fitted), soft_wrap=True)


def width_of(console: Console) -> int | None:
    """The width for tables; None without a terminal."""
    return console.width if console.is_terminal else None
