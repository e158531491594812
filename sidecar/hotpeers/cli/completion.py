"""Completion of commands and options in shells, and in kubectl."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from click.shell_completion import ShellComplete, get_completion_class

_SHELLS = ("bash", "zsh", "fish")
_PROGRAM, _VARIABLE = "hotpeers", "_HOTPEERS_COMPLETE"
# Directives of cobra, which kubectl is made with.
_NO_FILES, _FILES, _FOLDERS = 4, 0, 16


@click.command()
@click.argument("shell", metavar="[bash|zsh|fish]", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes the arguments of hotpeers in a shell.

    \b
    bash: source <(hotpeers completion bash)
    zsh:  source <(hotpeers completion zsh)
    fish: hotpeers completion fish | source

    kubectl completes 'kubectl hotpeers' by itself if kubectl_complete-hotpeers is in the PATH.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    command = context.find_root().command
    click.echo(found(command, {}, _PROGRAM, _VARIABLE).source())


def kubectl_completions(command: click.Command, arguments: Sequence[str]) -> Iterator[str]:
    """The lines for kubectl: a completion each, with its help behind a tab, and a directive of cobra.

    The last argument is the begun word.
    """
    *before, begun = arguments or [""]
    # kubectl passes `--name=` and its value as one word.
    option, equals, value = begun.partition("=")
    prefix = ""
    if begun.startswith("--") and equals:
        before, begun, prefix = [*before, option], value, f"{option}="
    directive = _NO_FILES
    found = ShellComplete(command, {}, _PROGRAM, _VARIABLE).get_completions(list(before), begun)
    for item in found:
        if item.type == "plain":
            yield f"{prefix}{item.value}\t{item.help}" if item.help else f"{prefix}{item.value}"
        else:
            directive = _FOLDERS if item.type == "dir" else _FILES
    yield f":{directive}"
