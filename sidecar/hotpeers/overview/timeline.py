"""The history: the changes of all orchestrators in one timeline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..base.errors import SettingsError
from ..base.names import NamespacedName
from ..model.orchestrator_status import Change
from .summary import Orchestrator

_PART = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of the peers in one pod of an orchestrator. `newest` tells that no other followed it."""

    key: NamespacedName
    change: Change
    newest: bool

    @property
    def id(self) -> tuple[NamespacedName, str, int, datetime | None]:
        """The same for all forms of one change, which becomes live later."""
        return (self.key, self.change.replica, self.change.generation, self.change.time)

    @property
    def words(self) -> str:
        """What changed: `+added -removed ~changed`."""
        change = self.change
        signs = (("+", change.added), ("-", change.removed), ("~", change.changed))
        named = [f"{sign}{name}" for sign, names in signs for name in names]
        more = [f"and {change.more} more"] if change.more else []
        return " ".join((*named, *more)) or "nothing"

    @property
    def live(self) -> str:
        """How long it took until the change was live in the pod: `0.4s`."""
        seconds = self.change.live_seconds
        if seconds is None:
            # A later change of the pod may become live instead of this one.
            return "not yet" if self.newest else "-"
        return f"{seconds:.1f}s" if seconds < 100 else f"{seconds:.0f}s"


def timeline_of(
    orchestrators: Iterable[Orchestrator], since: datetime | None = None
) -> list[Entry]:
    """All changes, the oldest first; since a moment if one is given."""
    entries = [entry for one in orchestrators for entry in _entries(one)]
    if since is not None:
        entries = [one for one in entries if one.change.time is None or one.change.time >= since]
    return sorted(entries, key=lambda one: (one.change.time or _FIRST, one.key))


def parse_since(text: str, now: datetime) -> datetime | None:
    """The moment of `--since`: `30m`, `2h`, `1d12h` before now, or a time in RFC 3339.

    "" means no moment. Raises `SettingsError`.
    """
    if not text:
        return None
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        try:
            return now - timedelta(seconds=sum(int(n) * _SECONDS[unit] for n, unit in parts))
        except OverflowError:
            return _FIRST
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"--since: {text[:80]!r} is not a duration such as 30m, 2h or 1d12h, "
            "and not a time such as 2026-01-31T14:00:00Z"
        ) from error


def _entries(orchestrator: Orchestrator) -> Iterator[Entry]:
    changes = orchestrator.status.changes
    newest = {change.replica: index for index, change in enumerate(changes)}
    for index, change in enumerate(changes):
        yield Entry(orchestrator.key, change, newest[change.replica] == index)
