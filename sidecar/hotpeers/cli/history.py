"""`hotpeers history`: the timeline of changes of peers. Imports when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .output import make_console, output_option, print_document, print_lines, width_of
from .status import read_cluster
from .where import Where, where_options, where_to_read

if TYPE_CHECKING:
    from datetime import datetime

    from ..base.parts import Json


@click.command()
@where_options
@output_option("table", "json", "yaml")
@click.option(
    "--since",
    default="",
    metavar="TIME",
    help="Only later changes: 30m, 2h, 1d12h, or 2026-01-31T14:00:00Z.  [default: all]",
)
@click.option("-w", "--watch", is_flag=True, help="Show further changes until Ctrl-C.")
@click.pass_context
def history(ctx: click.Context, /, *, output: str, since: str, watch: bool, **raw: Any) -> None:
    """Show when peers were added, removed and changed, the oldest first.

    It reads the status of Orchestrators, or of one sidecar, as `hotpeers status` does. A status has the
    last 50 changes. LIVE is the time until each agent process of the pod used the change.
    """
    from datetime import UTC, datetime

    from ..overview.timeline import parse_since

    earliest = parse_since(since, datetime.now(UTC))
    where = where_to_read(ctx, **raw)
    document = _sidecar(where)
    if watch:
        _watch(where, document, output, earliest)
    else:
        _show(where, document, output, earliest)


def _sidecar(where: Where) -> Json | None:
    """The status document of a sidecar; None to read the cluster."""
    from ..base.errors import StatusError
    from .status import read_sidecar

    document = read_sidecar(where)
    if document is not None and not isinstance(document.get("changes"), list):
        raise StatusError(
            f"{where.url}: the status of this sidecar has no changes, because it is of an older release; "
            "upgrade it"
        )
    return document


def _show(where: Where, document: Json | None, output: str, since: datetime | None) -> None:
    import asyncio

    from rich.text import Text

    from ..overview.document import history_document
    from ..overview.sidecar import orchestrator_of
    from ..overview.timeline import timeline_of
    from .history_text import history_lines

    if document is not None:
        found, place = [orchestrator_of(document)], f"the sidecar at {where.url}"
    else:
        found, place = asyncio.run(read_cluster(where))
    entries = timeline_of(found, since)
    if output != "table":
        print_document(history_document(entries), output)
        return
    console = make_console()
    if entries:
        print_lines(console, history_lines(entries, width_of(console), named=len(found) > 1))
    else:
        count = "1 orchestrator" if len(found) == 1 else f"{len(found)} orchestrators"
        print_lines(console, [Text(f"no changes of peers in {place} ({count})")])


def _watch(where: Where, document: Json | None, output: str, since: datetime | None) -> None:
    from .history_text import HistoryShow
    from .views import follow, views_of

    follow(
        views_of(where.url if document is not None else "", where.wanted),
        HistoryShow(output, since).show,
    )
