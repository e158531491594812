"""`hotpeers policy …`: SpawnPolicies offline, for their authors and for CI."""

from __future__ import annotations

import click

from ..base.errors import HotpeersError


@click.group()
def policy() -> None:
    """SpawnPolicies: which agents an agent may create."""


def _read_inputs(files: tuple[str, ...]) -> list[tuple[str, bytes]]:
    from ..model.yaml.document import MAX_MANIFEST_BYTES
    from .inputs import read_input

    found = []
    for name in files:
        try:
            raw = read_input(name, MAX_MANIFEST_BYTES)
        except OSError as error:
            raise HotpeersError(f"{name}: {error.strerror or error}") from error
        found.append(("stdin" if name == "-" else name, raw))
    return found


_FILES = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Manifests; - is standard input. More than once.",
)


@policy.command("check")
@_FILES
@click.option(
    "--as",
    "who",
    required=True,
    metavar="NS/NAME",
    help="The Agent or ServiceAccount that creates.",
)
@click.option(
    "--depth", default=0, metavar="N", help="It was spawned itself, N below the policy's."
)
@click.option(
    "--template",
    "templates",
    multiple=True,
    metavar="KEY=FILE",
    help="What agent:NAME or registry:NAME@TAG says: the Agent of a file.",
)
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
def policy_check(
    files: tuple[str, ...], who: str, depth: int, templates: tuple[str, ...], *, json_output: bool
) -> None:
    """Say of each manifest whether it would be admitted under the policies of the files."""
    import json

    from rich.console import Console

    from ..spawnpolicy.check import as_json, check, read_files, read_template, subject_of
    from .policy_text import show_check

    inputs = _read_inputs(files)
    manifests = read_files(inputs, who.partition("/")[0])
    subject = subject_of(who, manifests.policies, depth=depth)
    known = dict(
        read_template(one, _read_inputs((one.partition("=")[2],))[0][1]) for one in templates
    )
    verdicts = check(manifests, subject, known)
    if json_output:
        click.echo(json.dumps(as_json(manifests, verdicts), indent=2, ensure_ascii=False))
    else:
        show_check(manifests, verdicts, Console())
    if manifests.problems or not all(one.decision.allowed for one in verdicts):
        raise SystemExit(1)


@policy.command("explain")
@_FILES
def policy_explain(files: tuple[str, ...]) -> None:
    """Say in plain English what the policies of the files allow."""
    from rich.console import Console

    from ..spawnpolicy.check import read_files
    from .policy_text import show_policies

    manifests = read_files(_read_inputs(files), "default")
    show_policies(manifests, Console())
    if manifests.problems or not manifests.policies:
        raise SystemExit(1)
