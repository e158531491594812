"""`hotpeers policy …`: checks and explains SpawnPolicies without a cluster, for authors and CI."""

from __future__ import annotations

import click

from ..base.errors import HotpeersError
from .options import FILE
from .output import FOUND, make_console, output_option, print_document


@click.group()
def policy() -> None:
    """Check and explain SpawnPolicies, which say what agents an agent may create."""


def read_inputs(files: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """The files as name and content. Raises `HotpeersError` if one cannot be read."""
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


FILES = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    type=FILE,
    help="File with manifests; - is standard input. Repeatable.",
)


@policy.command("check")
@FILES
@click.option(
    "--as",
    "who",
    required=True,
    metavar="NS/NAME",
    help="The Agent or ServiceAccount that creates the agents.",
)
@click.option(
    "--depth",
    default=0,
    show_default=True,
    metavar="N",
    help="Depth of the creator: 0 for the policy's subject, N if it was spawned N levels below it.",
)
@click.option(
    "--template",
    "templates",
    multiple=True,
    metavar="KEY=FILE",
    help="File with the Agent of the template KEY (agent:NAME or registry:NAME@TAG). Repeatable.",
)
@output_option("text", "json")
def policy_check(
    files: tuple[str, ...], who: str, depth: int, templates: tuple[str, ...], *, output: str
) -> None:
    """Report for each manifest whether the policies of the files admit it."""
    from ..spawnpolicy.check import as_json, check, read_files, read_template, subject_of
    from .policy_text import show_check

    inputs = read_inputs(files)
    manifests = read_files(inputs, who.partition("/")[0])
    subject = subject_of(who, manifests.policies, depth=depth)
    known = dict(
        read_template(one, read_inputs((one.partition("=")[2],))[0][1]) for one in templates
    )
    verdicts = check(manifests, subject, known)
    if output == "json":
        print_document(as_json(manifests, verdicts), output)
    else:
        show_check(manifests, verdicts, make_console())
    if manifests.problems or not all(one.decision.allowed for one in verdicts):
        raise SystemExit(FOUND)


@policy.command("explain")
@FILES
def policy_explain(files: tuple[str, ...]) -> None:
    """Explain in plain English what the policies of the files allow."""
    from ..spawnpolicy.check import read_files
    from .policy_text import show_policies

    manifests = read_files(read_inputs(files), "default")
    show_policies(manifests, make_console())
    if manifests.problems or not manifests.policies:
        raise SystemExit(FOUND)
