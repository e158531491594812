"""The three forms of `hotpeers status --watch`: a screen, lines, and documents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import click
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.text import Text

from ..base.names import NamespacedName
from ..model.orchestrator_status import format_time
from ..overview.differences import differences, problem_line
from ..overview.document import orchestrator_document, removed_document
from ..overview.summary import State, Summary, ordered, summarize
from .output import print_document
from .status_text import headline, overview_lines
from .views import View


def _summaries(view: View) -> list[Summary]:
    now = datetime.now(UTC)
    return ordered(summarize(one, now) for one in view.orchestrators)


class Interruption:
    """Reports on standard error when the following stops and goes on."""

    def __init__(self) -> None:
        self._said = ""

    def tell(self, interruption: str) -> None:
        """Report `interruption` if it is new; "" is its end."""
        if interruption == self._said:
            return
        said = f"cannot be followed now: {interruption}" if interruption else "followed again"
        click.echo(f"warning: {said}", err=True)
        self._said = interruption


class LineShow:
    """A line for each change: the time, the orchestrator, and what changed. First what is wrong now."""

    def __init__(self) -> None:
        self._known: dict[NamespacedName, Summary] | None = None
        self._interruption = Interruption()

    def show(self, view: View) -> None:
        """Print what changed since the last view."""
        self._interruption.tell(view.interruption)
        summaries = _summaries(view)
        now = {one.key: one for one in summaries}
        if self._known is None:
            click.echo(headline(summaries, view.place).plain)
            lines = [
                (one.key, f"problem: {problem_line(problem)}")
                for one in summaries
                for problem in one.problems
            ]
        else:
            lines = list(differences(self._known, now))
        time = format_time(datetime.now(UTC))
        for key, line in lines:
            click.echo(f"{time} {title_of(key)}: {line}")
        self._known = now


class DocumentShow:
    """A document for each orchestrator, and again whenever it changes. A deleted one has state removed."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._known: dict[NamespacedName, Summary] = {}
        self._interruption = Interruption()

    def show(self, view: View) -> None:
        """Print the documents that changed since the last view."""
        self._interruption.tell(view.interruption)
        now = {one.key: one for one in _summaries(view)}
        for key in self._known.keys() - now.keys():
            print_document(removed_document(key), self._output, stream=True)
        for key, one in now.items():
            if self._known.get(key) != one:
                print_document(orchestrator_document(one), self._output, stream=True)
        self._known = now


class ScreenShow:
    """A live table that fits the terminal. What is shown last stays when it ends."""

    def __init__(self, console: Console, *, everywhere: bool, wide: bool) -> None:
        self._console = console
        self._everywhere = everywhere
        self._wide = wide
        self._view = View((), "")
        self._summaries: list[Summary] = []
        # The thread of the live view draws again each second, which follows the terminal's size.
        self._live = Live(self, console=console, screen=True, refresh_per_second=1)
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._shown:
            self._live.stop()
            for line in self._lines(self._console.width, self._console.height - 2):
                self._console.print(line, soft_wrap=True)

    def show(self, view: View) -> None:
        """Draw a view."""
        self._summaries = _summaries(view)
        self._view = view
        if not self._shown:
            # Only now, so that an error of the first view is printed on the usual screen.
            self._live.start()
            self._shown = True
        self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._lines(options.max_width, console.height - 1):
            line.no_wrap, line.overflow = True, "crop"
            yield line
        yield Text("Ctrl-C ends", "dim", overflow="crop", no_wrap=True, end="")

    def _lines(self, width: int, height: int) -> Iterator[Text]:
        head = headline(self._summaries, self._view.place).wrap(self._console, width)
        if self._view.interruption:
            said = Text(f"cannot be followed now: {self._view.interruption}", "yellow")
            head.extend(said.wrap(self._console, width))
        yield from head
        # Further lines are an empty one, the heads of the columns, and the number of the others.
        room = max(height - len(head) - 3, 1)
        shown, hidden = self._summaries[:room], self._summaries[room:]
        yield Text("")
        yield from overview_lines(shown, width, everywhere=self._everywhere, wide=self._wide)
        if hidden:
            wrong = sum(one.state is not State.OK for one in hidden)
            others = f", {wrong} of them not ok" if wrong else ""
            yield Text(f"and {len(hidden)} more{others}", "dim")


def title_of(key: NamespacedName) -> str:
    """The name of an orchestrator; that of a sidecar may have no namespace."""
    return str(key) if key.namespace else key.name
