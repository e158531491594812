"""`hotpeers check`: what is wrong with an installation, and what to do. Imports when it runs."""

from __future__ import annotations

import click

from .options import reach

_COULD_NOT_RUN = 2


@click.command()
@click.option("--pre", is_flag=True, help="Check whether the cluster is ready for an installation.")
@click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NAME",
    help="Check the workloads of one namespace; with --pre, where to install.  [default: all]",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the report.",
)
@reach
def check(*, pre: bool, namespace: str, output: str, **raw: str) -> None:
    """Find what is wrong with an installation in a cluster, and say what to do.

    It reads as the user of the kubeconfig, and changes nothing. The exit code is 1 if there are errors,
    and 2 if the check could not be done.
    """
    import asyncio
    import json

    from ..base.errors import HotpeersError
    from ..check.command import check_cluster
    from ..kube.errors import KubeError

    try:
        report = asyncio.run(check_cluster(namespace, pre=pre, **raw))
    except (HotpeersError, KubeError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(_COULD_NOT_RUN) from error
    if output == "json":
        click.echo(json.dumps(report.document(), indent=2, ensure_ascii=False))
    else:
        for line in report.lines():
            click.echo(line)
    if report.failed:
        raise SystemExit(1)
