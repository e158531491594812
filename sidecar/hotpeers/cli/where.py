"""Where `hotpeers status` and `hotpeers history` read: a cluster, or one sidecar."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from .options import namespace_option, reach

if TYPE_CHECKING:
    from ..overview.reader import Wanted

SIDECAR = "http://127.0.0.1:8090"
_OF_CLUSTER = ("name", "namespace", "everywhere", "kubeconfig", "context")

_Command = TypeVar("_Command", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Where:
    """Where to read. If both are there, the sidecar is tried first.

    `url` is the address of a sidecar, or "". `wanted` selects Orchestrators of a cluster.
    """

    url: str
    wanted: Wanted | None


def where_options(command: _Command) -> _Command:
    """Adds the argument NAME and the options that say where to read."""
    options = (
        click.argument("name", required=False, default="", metavar="[NAME]"),
        namespace_option("Namespace of the Orchestrators.  [default: that of the context]"),
        click.option(
            "-A", "--all-namespaces", "everywhere", is_flag=True, help="Read all namespaces."
        ),
        click.option(
            "--url",
            default="",
            metavar="URL",
            help=f"Read one sidecar at its URL in place of a cluster, such as {SIDECAR}.",
        ),
    )
    command = reach(command)
    for option in reversed(options):
        command = option(command)
    return command


def where_to_read(ctx: click.Context, /, **raw: Any) -> Where:
    """The choice of the command line. Raises `ClusterError` and `click.UsageError`.

    Without any argument that says it, a sidecar on this machine is tried before the cluster, because
    the command also runs in the container of the sidecar. As a plugin of kubectl it reads the cluster.
    """
    given = {
        name
        for name in (*_OF_CLUSTER, "url")
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    for_cluster = given & set(_OF_CLUSTER)
    if "url" in given:
        if for_cluster:
            raise click.UsageError(
                "--url is for one sidecar: leave out NAME and the options of a cluster"
            )
        return Where(raw["url"], None)
    from ..kube.connection import Access
    from ..overview.reader import Wanted

    access = Access(raw["kubeconfig"], raw["context"])
    wanted = Wanted.parse(
        raw["name"], raw["namespace"], everywhere=raw["everywhere"], access=access
    )
    from_kubectl = (ctx.find_root().info_name or "").startswith("kubectl")
    return Where("" if for_cluster or from_kubectl else sidecar_url(os.environ), wanted)


def sidecar_url(environment: Mapping[str, str]) -> str:
    """The URL of the sidecar on this machine, or in this pod.

    In the container of an injected sidecar, HOTPEERS_LISTEN is `:PORT`, which is not 8090 if the pod uses
    that itself. In the container of the tools for spawning, it has a host, and is another server's.
    """
    port = environment.get("HOTPEERS_LISTEN", "").removeprefix(":")
    return f"http://127.0.0.1:{port}" if port.isascii() and port.isdigit() else SIDECAR
