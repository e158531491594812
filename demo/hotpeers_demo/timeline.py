"""Prints the progress of the demonstration for people, and draws it as a picture."""

import io
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from hotpeers_demo.outcome import Report, Step
from hotpeers_demo.processes import Child

_HEIGHT = 12
_WIDTH = 96
# What the picture shows besides the titles: the conversation, and the changes of the folder.
_SHOWN = ("user:", "orchestrator: ", "peers.d/")
# Rich names fonts of a foreign server, which a page should not load.
_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


class Timeline:
    """Prints one line for each event, with the seconds since the start.

    With a `picture`, it keeps the most important lines for `draw`.
    """

    def __init__(self, console: Console, *, picture: bool = False) -> None:
        self._console = console
        self._start = time.monotonic()
        self._picture = (
            Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
            if picture
            else None
        )
        self._spinner: Status | None = None
        self._doing = ""

    @contextmanager
    def spinning(self) -> Iterator[None]:
        """Show a spinner below the lines, if the output is a terminal."""
        with self._console.status("") as spinner:
            self._spinner = spinner
            try:
                yield
            finally:
                self._spinner = None

    def waiting(self, what: str) -> None:
        """Show beside the spinner what is waited for; "" if it is nothing in particular."""
        if self._spinner is not None:
            text = f"waiting for {what}" if what else self._doing
            self._spinner.update(f"[dim]{escape(_short(text))}[/]")

    def draw(self, file: Path) -> None:
        """Write the picture, an SVG. Raises `OSError`."""
        if self._picture is not None:
            drawn = self._picture.export_svg(title="hotpeers demo", unique_id="demo")
            file.write_text(_FONT.sub("", drawn), "utf-8")

    def event(self, text: str) -> None:
        """Print an event."""
        shown = text.startswith(_SHOWN) and "http" not in text
        self._line("[dim]·[/]", escape(text), shown=shown)

    def begin(self, number: int, step: Step) -> None:
        """Print the title of a step."""
        self._doing = step.title
        self.waiting("")
        self._console.print()
        self._line("[bold cyan]▸[/]", f"[bold]{number}. {escape(step.title)}[/]", shown=True)

    def end(self, step: Step) -> None:
        """Print the result of a step, and the facts that prove it."""
        proof = ", ".join(f"{key} {_short(value)}" for key, value in step.facts.items())
        if step.held:
            self._line("[bold green]✓[/]", f"[green]held[/] [dim]{escape(proof)}[/]")
            return
        self._line("[bold red]✗[/]", f"[red]did not hold[/] [dim]{escape(proof)}[/]")
        self._line(" ", f"expected: {escape(step.expected)}")
        self._line(" ", f"saw:      {escape(step.seen)}")

    def end_all(self, report: Report) -> None:
        """Print the figures and the overall result."""
        self._console.print()
        if report.figures:
            self._console.print(_figures(report))
        skipped = [step.title for step in report.steps if step.held is None]
        if skipped:
            self._line("[dim]-[/]", f"[dim]not run: {escape('; '.join(skipped))}[/]")
        if report.held:
            text = f"[bold green]Every step held[/], in {report.seconds:.0f} s."
        else:
            text = "[bold red]Not every step held.[/]"
        self._line("", text, shown=True)

    def logs(self, children: Sequence[Child]) -> None:
        """Print the last lines of each process's log."""
        for child in children:
            state = "runs" if child.alive else "has ended"
            self._console.print(f"\n[bold]{child.name}[/] {state}; {escape(str(child.log))}")
            for line in child.tail(_HEIGHT):
                self._console.print(f"  [dim]{escape(line[:240])}[/]", soft_wrap=True)

    def plain(self, text: str) -> None:
        """Print text without line breaks, so that it can be copied."""
        self._console.print(escape(text), soft_wrap=True, highlight=False)

    def _line(self, mark: str, text: str, *, shown: bool = False) -> None:
        seconds = time.monotonic() - self._start
        grid = Table.grid(padding=(0, 1))
        grid.add_column(justify="right", width=7, style="dim", no_wrap=True)
        grid.add_column(width=1, no_wrap=True)
        grid.add_column()
        grid.add_row(f"{seconds:.2f}", mark, text)
        self._console.print(grid, highlight=False)
        if shown and self._picture is not None:
            self._picture.print(grid, highlight=False)


def _figures(report: Report) -> Table:
    table = Table(title="From the change of a manifest", title_justify="left", title_style="bold")
    for column in ("change", "count", "p50", "max", "resolution"):
        table.add_column(column, justify="left" if column == "change" else "right")
    for figure in report.figures:
        table.add_row(
            figure.title,
            str(figure.count),
            f"{figure.p50_ms:.0f} ms",
            f"{figure.max_ms:.0f} ms",
            f"± {figure.resolution_ms:.0f} ms",
        )
    table.caption = "resolution: the time between two observations (for the model: two requests)"
    table.caption_justify = "left"
    return table


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    text = str(value)
    return text if len(text) <= 90 else text[:89] + "…"
