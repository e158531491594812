"""The text of `hotpeers history`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
from rich.text import Text

from ..model.orchestrator_status import format_time
from ..overview.document import entry_document
from ..overview.timeline import Entry, timeline_of
from .grid import Cell, Column, table
from .output import print_document
from .views import View
from .watching import Interruption, title_of

_COLUMNS = (
    Column("TIME"),
    Column("ORCHESTRATOR", least=12),
    Column("POD", drop=2, least=12),
    Column("LIVE", drop=1),
    Column("CHANGE"),
)


def history_lines(entries: Sequence[Entry], width: int | None, *, named: bool) -> list[Text]:
    """The table. `named` adds the orchestrator of each change."""
    columns = [one for one in _COLUMNS if named or one.head != "ORCHESTRATOR"]
    rows = [_row(one, named=named) for one in entries]
    return table(columns, rows, width, wrap=True)


def _row(entry: Entry, *, named: bool) -> list[Cell]:
    live: Cell = (entry.live, "yellow") if entry.live == "not yet" else entry.live
    name: list[Cell] = [title_of(entry.key)] if named else []
    return [_time(entry.change.time), *name, entry.change.replica, live, entry.words]


class HistoryShow:
    """Prints each change once, and once more when it has become live."""

    def __init__(self, output: str, since: datetime | None) -> None:
        self._output = output
        self._since = since
        self._known: dict[object, float | None] = {}
        self._interruption = Interruption()

    def show(self, view: View) -> None:
        """Print what is new in a view."""
        self._interruption.tell(view.interruption)
        entries = timeline_of(view.orchestrators, self._since)
        for entry in entries:
            live = entry.change.live_seconds
            known = entry.id in self._known
            if known and self._known[entry.id] == live:
                continue
            self._known[entry.id] = live
            if self._output != "table":
                print_document(entry_document(entry), self._output, stream=True)
                continue
            head = f"{_time(entry.change.time)} {title_of(entry.key)} {entry.change.replica}:"
            if known:
                click.echo(f"{head} live after {entry.live}: {entry.words}")
            else:
                after = f" (live after {entry.live})" if live is not None else ""
                click.echo(f"{head} {entry.words}{after}")
        # A status keeps only the last changes.
        self._known = {entry.id: self._known[entry.id] for entry in entries}


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else format_time(moment)
