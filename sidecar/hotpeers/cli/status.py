"""`hotpeers status`: the orchestrators of a cluster, or one sidecar. Imports when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .output import FOUND, make_console, output_option, print_document, print_lines, width_of
from .where import Where, where_options, where_to_read

if TYPE_CHECKING:
    from ..base.parts import Json


@click.command()
@where_options
@output_option("table", "wide", "json", "yaml")
@click.option("-w", "--watch", is_flag=True, help="Show changes until Ctrl-C.")
@click.pass_context
def status(ctx: click.Context, /, *, output: str, watch: bool, **raw: Any) -> None:
    """Show the state of orchestrators, those with problems first.

    It reads the Orchestrators of a cluster, or one sidecar. Without NAME, -n, -A, --context, --kubeconfig
    and --url it shows the sidecar of this pod or machine if there is one. The exit code is 1 if an
    orchestrator has a problem or an unknown state, and 2 if the state cannot be read.
    """
    where = where_to_read(ctx, **raw)
    document = read_sidecar(where)
    if watch:
        _watch(where, document, output)
    elif document is not None:
        _show_sidecar(document, output)
    else:
        _show_cluster(where, output)


def read_sidecar(where: Where) -> Json | None:
    """The status document of the sidecar; None to read the cluster. Raises `StatusError`."""
    from ..base.errors import StatusError
    from ..overview.sidecar import fetch_status

    if not where.url:
        return None
    try:
        return fetch_status(where.url)
    except StatusError:
        if where.wanted is None:
            raise
        return None


def _show_sidecar(document: Json, output: str) -> None:
    from datetime import UTC, datetime

    from ..overview.sidecar import orchestrator_of
    from ..overview.summary import State, summarize
    from .sidecar_text import sidecar_lines

    if output in ("json", "yaml"):
        print_document(document, output)
    else:
        console = make_console()
        width = None if output == "wide" else width_of(console)
        print_lines(console, sidecar_lines(document, width))
    if summarize(orchestrator_of(document), datetime.now(UTC)).state is not State.OK:
        raise SystemExit(FOUND)


def _show_cluster(where: Where, output: str) -> None:
    import asyncio
    from datetime import UTC, datetime

    from rich.text import Text

    from ..overview.document import overview_document
    from ..overview.summary import all_well, ordered, summarize
    from .status_text import detail_lines, headline, nothing_found, overview_lines

    found, place = asyncio.run(read_cluster(where))
    now = datetime.now(UTC)
    summaries = ordered(summarize(one, now) for one in found)
    if output in ("json", "yaml"):
        print_document(overview_document(summaries), output)
    else:
        console = make_console()
        width = width_of(console)
        everywhere = where.wanted is not None and where.wanted.everywhere
        if where.wanted is not None and where.wanted.name and output == "table":
            for number, one in enumerate(summaries):
                print_lines(console, [Text("")] if number else [])
                print_lines(console, detail_lines(one, width))
        else:
            print_lines(console, [headline(summaries, place)])
            wide = output == "wide"
            lines = overview_lines(summaries, width, everywhere=everywhere, wide=wide)
            empty = [nothing_found(everywhere=everywhere)]
            print_lines(console, [Text(""), *lines] if lines else empty)
    if not all_well(summaries):
        raise SystemExit(FOUND)


async def read_cluster(where: Where) -> tuple[list[Any], str]:
    """The wanted Orchestrators, and where they are, as text. Raises `HotpeersError`."""
    from ..base.errors import ClusterError, HotpeersError
    from ..overview.reader import Wanted, reader_of

    try:
        async with reader_of(where.wanted or Wanted()) as reader:
            return await reader.read(), reader.place
    except HotpeersError as error:
        if not where.url:
            raise
        raise ClusterError(
            f"no sidecar answers at {where.url}, and the cluster cannot be read: {error}; "
            "see --url for another sidecar"
        ) from error


def _watch(where: Where, document: Json | None, output: str) -> None:
    from .views import follow, views_of
    from .watching import DocumentShow, LineShow, ScreenShow

    views = views_of(where.url if document is not None else "", where.wanted)
    everywhere = where.wanted is not None and where.wanted.everywhere
    console = make_console()
    if output in ("json", "yaml"):
        follow(views, DocumentShow(output).show)
    elif console.is_terminal and not console.is_dumb_terminal:
        with ScreenShow(console, everywhere=everywhere, wide=output == "wide") as screen:
            follow(views, screen.show)
    else:
        follow(views, LineShow().show)
