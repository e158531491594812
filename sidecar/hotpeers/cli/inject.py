"""`hotpeers inject`: what the webhook does with manifests, without a cluster."""

from __future__ import annotations

import click

from .options import injection_options, namespace_option
from .output import FOUND
from .policy import FILES, read_inputs


@click.command()
@FILES
@namespace_option("Namespace of objects that name none, as for kubectl apply.  [default: default]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json", "patch"]),
    default="yaml",
    show_default=True,
    help="The manifests, or the JSON patch of each changed one.",
)
@injection_options
def inject(files: tuple[str, ...], namespace: str, output: str, **raw: str) -> None:
    """Print manifests as the webhook would change their pods; pipe them to kubectl apply -f -.

    Standard error says what is injected, and why something is not. Other documents are printed unchanged.
    Without a cluster, --native-sidecars auto means true.
    """
    from ..controller.settings import ControllerSettings
    from .inject_text import inject_files, outcome_lines

    settings = ControllerSettings.parse_injection(**raw)
    native = settings.native_sidecars != "false"
    injection = settings.injection(native_sidecars=native, reads_image=True)
    injected = inject_files(read_inputs(files), namespace, injection)
    for line in (*injected.problems, *outcome_lines(injected.outcomes)):
        click.echo(line, err=True)
    if injected.bad:
        # Print nothing: a part of the manifests would be applied.
        raise SystemExit(FOUND)
    click.echo(injected.text(output), nl=False)
