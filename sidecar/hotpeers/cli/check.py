"""`hotpeers check`: what is wrong with an installation, and what to do. Imports when it runs."""

from __future__ import annotations

import click

from .options import namespace_option, reach
from .output import FAILED, FOUND, output_option, print_document


@click.command()
@click.option("--pre", is_flag=True, help="Check whether the cluster is ready for an installation.")
@namespace_option(
    "Check the workloads of one namespace; with --pre, where to install.  [default: all]"
)
@output_option("text", "json")
@reach
def check(*, pre: bool, namespace: str, output: str, **raw: str) -> None:
    """Find what is wrong with an installation in a cluster, and say what to do.

    It reads as the user of the kubeconfig, and changes nothing. The exit code is 1 if there are errors.
    Without errors it is 2 if a request failed, or if you may read nothing of what is checked.
    """
    import asyncio

    from ..base.errors import HotpeersError
    from ..check.command import check_cluster
    from ..kube.errors import KubeError

    try:
        report = asyncio.run(check_cluster(namespace, pre=pre, **raw))
    except KubeError as error:
        raise HotpeersError(f"the API server cannot be asked: {error}") from error
    if output == "json":
        print_document(report.document(), output)
    else:
        for line in report.lines():
            click.echo(line)
    if report.failed:
        raise SystemExit(FOUND)
    if report.incomplete:
        raise SystemExit(FAILED)
