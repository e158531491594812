"""The picture of the demonstration."""

import io
from pathlib import Path

from rich.console import Console

from hotpeers_demo.outcome import Report, Step
from hotpeers_demo.timeline import Timeline


def test_picture_shows_the_conversation_and_loads_nothing(tmp_path: Path) -> None:
    timeline = Timeline(Console(file=io.StringIO()), picture=True)
    step = Step("added", "A peer is added")
    timeline.begin(1, step)
    timeline.event("user: Ask <weather> & [bold]news[/bold]")
    timeline.event("orchestrator: http://127.0.0.1:1, pid 7")
    timeline.event("peers.json: generation 2, weather")
    step.held = True
    timeline.end(step)
    timeline.end_all(Report(steps=[step]))
    timeline.draw(tmp_path / "picture.svg")
    drawn = (tmp_path / "picture.svg").read_text().replace("&#160;", " ")
    assert "1. A peer is added" in drawn
    assert "user: Ask &lt;weather&gt; &amp; [bold]news[/bold]" in drawn
    assert "127.0.0.1" not in drawn
    assert "generation 2" not in drawn
    assert "url(http" not in drawn


def test_timeline_without_a_picture_writes_none(tmp_path: Path) -> None:
    Timeline(Console(file=io.StringIO())).draw(tmp_path / "picture.svg")
    assert not list(tmp_path.iterdir())


def shown(*, terminal: bool) -> str:
    file = io.StringIO()
    timeline = Timeline(Console(file=file, force_terminal=terminal, width=100))
    with timeline.spinning():
        timeline.begin(1, Step("added", "A peer is added"))
        timeline.waiting("[bold]the ack[/bold]")
        timeline.event("user: hello")
    timeline.waiting("nothing: the spinner has gone")
    return file.getvalue()


def test_spinner_names_what_is_waited_for() -> None:
    assert "waiting for [bold]the ack[/bold]" in shown(terminal=True)
    assert "the spinner has gone" not in shown(terminal=True)


def test_output_that_is_no_terminal_has_no_spinner() -> None:
    text = shown(terminal=False)
    assert "user: hello" in text
    assert "waiting for" not in text
    assert "\x1b" not in text
