"""The text of `hotpeers status` for the Orchestrators of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from rich.text import Text

from ..model.orchestrator_status import Live, format_time
from ..overview.differences import facts, problem_line
from ..overview.summary import RatedProblem, State, Summary, counts_of
from ..overview.vocabulary import meaning_of
from .grid import Cell, Column, table

_STYLES = {State.PROBLEM: "red", State.UNKNOWN: "yellow", State.OK: "green"}
_LIVE_STYLES = {Live.TRUE: "green", Live.FALSE: "red", Live.UNKNOWN: "yellow"}
_UNITS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

_NAMESPACE = Column("NAMESPACE", least=8)
_COLUMNS = (
    Column("NAME", least=12),
    Column("STATE"),
    Column("PEERS", drop=1, right=True),
    Column("REFUSED", drop=3, right=True),
    Column("LIVE", drop=2),
    Column("RUNTIME", drop=4),
    Column("AGE", drop=5),
)
_WIDE = (
    Column("PODS", right=True),
    Column("CALLS", right=True),
    Column("FAILED", right=True),
    Column("REPORTED"),
    Column("WORKLOAD"),
    Column("HELD"),
)
_LAST = Column("PROBLEM")


def headline(summaries: Sequence[Summary], place: str) -> Text:
    """The counts."""
    if not summaries:
        return Text(f"0 orchestrators in {place}")
    counts = counts_of(summaries)
    noun = "orchestrator" if len(summaries) == 1 else "orchestrators"
    words = {
        State.PROBLEM: f"{counts[State.PROBLEM]} with problems",
        State.UNKNOWN: f"{counts[State.UNKNOWN]} unknown",
        State.OK: f"{counts[State.OK]} ok",
    }
    line = Text(f"{len(summaries)} {noun} in {place}: ")
    told_counts = [(words[one], _STYLES[one]) for one in State if counts[one]]
    return line.append_text(Text(", ").join(Text(*one) for one in told_counts))


def nothing_found(*, everywhere: bool) -> Text:
    """What to do if there are no Orchestrators."""
    elsewhere = "" if everywhere else "-A shows all namespaces; "
    return Text(
        f"{elsewhere}the controller makes an Orchestrator for each injected workload "
        "(annotation hotpeers.dev/inject)"
    )


def overview_lines(
    summaries: Sequence[Summary], width: int | None, *, everywhere: bool, wide: bool = False
) -> list[Text]:
    """The table, in the order of `summaries`."""
    now = datetime.now(UTC)
    columns = [*([_NAMESPACE] if everywhere else []), *_COLUMNS, *(_WIDE if wide else ()), _LAST]
    rows = [_row(one, now, everywhere=everywhere, wide=wide) for one in summaries]
    # Who asks for all columns gets them whole.
    return table(columns, rows, None if wide else width)


def _row(one: Summary, now: datetime, *, everywhere: bool, wide: bool) -> list[Cell]:
    status = one.status
    peers = "-" if status.peers is None else f"{status.ready}/{status.peers}"
    cells: list[Cell] = [one.key.namespace] if everywhere else []
    cells += [
        one.key.name,
        (str(one.state), _STYLES[one.state]),
        peers,
        str(status.refused_peers),
        (str(status.live), _LIVE_STYLES[status.live]),
        status.runtime or "-",
        age_of(one.orchestrator.created, now),
    ]
    if wide:
        failed = one.failed_calls
        cells += [
            str(len(status.replicas)),
            str(one.calls),
            (str(failed), "red" if failed else ""),
            age_of(one.reported, now),
            one.orchestrator.workload or "-",
            status.held or "-",
        ]
    more = f" (and {len(one.problems) - 1} more)" if len(one.problems) > 1 else ""
    problem = f"{problem_line(one.problems[0])}{more}" if one.problems else ""
    if not problem and status.held:
        problem = f"held: {status.held}"
    return [*cells, problem]


def detail_lines(one: Summary, width: int | None) -> Iterator[Text]:
    """Everything about one orchestrator."""
    status, now = one.status, datetime.now(UTC)
    yield Text.assemble(str(one.key), ": ", (facts(one), _STYLES[one.state]))
    live = next((c for c in status.conditions if c.type == "Live"), None)
    reported = one.reported
    for name, value in (
        ("workload", one.orchestrator.workload),
        ("runtime", status.runtime),
        ("live", f"{live.status}: {live.message or live.reason}" if live else ""),
        ("held", status.held),
        (
            "reported",
            f"{format_time(reported)} ({age_of(reported, now)} ago)" if reported else "never",
        ),
    ):
        if value:
            yield Text(f"{name}: {value}")
    yield from section(
        "Problems",
        (Column("REASON"), Column("SUBJECT", least=12), Column("WHAT")),
        ((f.reason, f.subject, f.message) for f in one.problems),
        width,
    )
    yield from _what_to_do(one.problems)
    yield from section(
        "Peers",
        (Column("PEER", least=12), Column("READY"), Column("SOURCE", drop=1)),
        ((p.peer, "yes" if p.ready else ("no", "yellow"), p.source) for p in status.offered),
        width,
        count=status.peers,
    )
    yield from section(
        "Refused",
        (Column("PEER", least=12), Column("REASON"), Column("WHY")),
        ((f.subject, f.reason, f.message) for f in status.refused),
        width,
        count=status.refused_peers,
    )
    yield from section(
        "Pods",
        (
            Column("POD", least=12),
            Column("LIVE"),
            Column("GENERATION", drop=3, right=True),
            Column("PROCESSES", drop=4, right=True),
            Column("CALLS", drop=1, right=True),
            Column("FAILED", drop=1, right=True),
            Column("REPORTED", drop=2),
            Column("RUNTIME", drop=5),
        ),
        (
            (
                r.name,
                (str(r.live), _LIVE_STYLES[r.live]),
                f"{'-' if r.live_generation is None else r.live_generation}/{r.generation}",
                str(r.processes),
                str(r.calls),
                str(sum(r.failures.values())),
                age_of(r.time, now),
                r.runtime,
            )
            for r in status.replicas
        ),
        width,
    )
    yield from section(
        "Conditions",
        (Column("TYPE"), Column("STATUS"), Column("REASON"), Column("MESSAGE")),
        (
            (c.type, (str(c.status), _LIVE_STYLES[c.status]), c.reason, c.message)
            for c in status.conditions
        ),
        width,
    )


def section(
    title: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    width: int | None,
    *,
    count: int | None = None,
) -> Iterator[Text]:
    """A titled table with whole texts; nothing without rows. `count` may be larger than the rows."""
    found = list(rows)
    if not found:
        return
    yield Text("")
    number = len(found) if count is None else count
    shown = f", the first {len(found)}" if number > len(found) else ""
    yield Text(f"{title} ({number}{shown})", "bold")
    yield from table(columns, found, width, wrap=True)


def _what_to_do(problems: Iterable[RatedProblem]) -> Iterator[Text]:
    reasons = dict.fromkeys(one.reason for one in problems if one.reason)
    if not reasons:
        return
    yield Text("")
    yield Text("What to do", "bold")
    for reason in reasons:
        meaning = meaning_of(reason)
        # Only a word of the vocabulary is part of a command to type.
        known = f" {meaning} See: hotpeers explain {reason}" if meaning else ""
        yield Text(f"{reason}:{known}")


def age_of(moment: datetime | None, now: datetime) -> str:
    """The time since a moment in its largest unit: `5m`; `-` if it is unknown."""
    if moment is None:
        return "-"
    seconds = max(int((now - moment).total_seconds()), 0)
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= s), (1, "s"))
    return f"{seconds // size}{unit}"
