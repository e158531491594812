"""The text of `hotpeers status` for one sidecar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from ..base.parts import Json, items, part
from ..sidecar.acks.configuration import CONFIG_HEADS, config_row
from ..sidecar.acks.failures import in_words, time_of
from .grid import Cell, Column
from .status_text import section

_Rows = Iterable[Sequence[object]]


def sidecar_lines(status: Json, width: int | None) -> Iterator[Text]:
    """A status document, whose texts are clean, as tables. Fields of another shape are left out."""
    acked = status.get("ackedGeneration")
    live = "no agent process yet" if acked is None else f"live in the agent: {acked}"
    orchestrator = status.get("orchestrator") or "unnamed orchestrator"
    yield Text(f"{orchestrator}: generation {status.get('generation')}, {live}")
    source = part(status, "source")
    if not source.get("complete"):
        yield Text(f"The source has not been read completely yet: {source.get('name')}")
    acks = [ack for ack in items(status, "acks") if isinstance(ack, dict)]
    tables: tuple[tuple[str, tuple[Column, ...], _Rows], ...] = (
        (
            "Peers",
            (
                Column("TOOL", least=12),
                Column("READY"),
                Column("CALLS", drop=1),
                Column("URL", drop=2, least=16),
                Column("SOURCE", drop=3),
            ),
            _of(status, "peers", ("tool", _ready, _calls, "url", "source")),
        ),
        (
            "Refused",
            (Column("NAME", least=12), Column("REASON"), Column("SOURCE", drop=1), Column("WHY")),
            _of(status, "refused", ("name", "reason", "source", "message")),
        ),
        (
            "Problems",
            (Column("WHERE", least=12), Column("FIELD", drop=1), Column("REASON"), Column("WHAT")),
            _of(status, "problems", ("where", "field", "reason", "message")),
        ),
        (
            "Agent processes",
            (
                Column("PROCESS"),
                Column("STATE"),
                Column("GENERATION", drop=1),
                Column("REASON"),
                Column("WHAT"),
            ),
            _of(status, "acks", ("pid", "state", "generation", "reason", "message")),
        ),
        (
            "Configuration of the agent",
            tuple(Column(head.upper()) for head in CONFIG_HEADS),
            (row for ack in acks if (row := config_row(ack)) is not None),
        ),
        (
            "Left out by an agent process",
            (Column("PROCESS"), Column("WHAT", least=12), Column("REASON"), Column("WHY")),
            _of_acks(acks, "refusals", ("subject", "reason", "message")),
        ),
        (
            "Calls that fail",
            (
                Column("PROCESS", drop=2),
                Column("TOOL", least=12),
                Column("REASON"),
                Column("CALLS"),
                Column("LAST", drop=1),
                Column("WHAT"),
            ),
            _of_acks(acks, "failures", ("subject", "reason", "count", _last, "message")),
        ),
    )
    for title, columns, rows in tables:
        yield from section(title, columns, ([_cell(value) for value in row] for row in rows), width)
    if _has_reason(status, acks):
        yield Text("")
        yield Text("What to do about a reason: hotpeers explain REASON")


_Field = str | Callable[[Json], object]


def _of(value: Json, key: str, fields: Sequence[_Field]) -> Iterator[list[object]]:
    for one in items(value, key):
        if isinstance(one, dict):
            yield [one.get(field) if isinstance(field, str) else field(one) for field in fields]


def _of_acks(acks: Iterable[Json], key: str, fields: Sequence[_Field]) -> Iterator[list[object]]:
    for ack in acks:
        yield from ([ack.get("pid"), *row] for row in _of(ack, key, fields))


def _has_reason(status: Json, acks: Sequence[Json]) -> bool:
    found = [*items(status, "refused"), *items(status, "problems"), *acks]
    for ack in acks:
        found += [*items(ack, "refusals"), *items(ack, "failures")]
    return any(isinstance(one, dict) and one.get("reason") for one in found)


def _ready(peer: Json) -> str:
    return "yes" if peer.get("ready") is True else "no"


def _calls(peer: Json) -> str:
    failing = peer.get("failing")
    complete = isinstance(failing, dict) and {"reason", "count"} <= failing.keys()
    return in_words(failing) if complete else ""


def _last(failure: Json) -> str:
    seconds: Any = failure.get("time")
    return time_of(seconds) if isinstance(seconds, (int, float)) else ""


def _cell(value: object) -> Cell:
    return "" if value is None else str(value)
