"""The content of each page: what its template is given. No page is made from anything but a `View`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from ..model.orchestrator_status import Change, Live, Replica, is_stale
from ..overview.summary import Orchestrator, Severity
from ..page.environment import templates_of
from ..page.explanation import explanation_of
from .picture import picture
from .problems import ShownProblem, grouped, policy_problems, shown_problems
from .query import Table, orchestrator_path, path_of
from .records import PeerRecord
from .sketch import state_of
from .spawned import spawned_tree
from .world import View

Given = Mapping[str, str]
_MOST_GROUPS = 20
_FRESH = timedelta(seconds=30)
_LIVE_ORDER = {Live.FALSE: 0, Live.UNKNOWN: 1, Live.TRUE: 2}


@dataclass(frozen=True, slots=True)
class Row:
    """An orchestrator in the table, with what is wrong with it."""

    record: Orchestrator
    errors: int
    warnings: int
    link: str
    reasons: tuple[str, ...]


class Dashboard:
    """What the first page shows of one view. Made once for each view."""

    def __init__(self, view: View, now: datetime) -> None:
        self.view = view
        self.now = now

    @cached_property
    def problems(self) -> list[ShownProblem]:
        """Everything that is wrong."""
        found = [
            one for record in self.view.orchestrators for one in shown_problems(record, self.now)
        ]
        return found + [one for policy in self.view.policies for one in policy_problems(policy)]

    @cached_property
    def rows(self) -> list[Row]:
        """The orchestrators of the table."""
        errors: dict[str, int] = {}
        warnings: dict[str, int] = {}
        for one in self.problems:
            counts = errors if one.severity is Severity.ERROR else warnings
            counts[one.owner] = counts.get(one.owner, 0) + 1
        reasons: dict[str, dict[str, None]] = {}
        for one in self.problems:
            reasons.setdefault(one.owner, {})[one.reason] = None
        return [
            Row(
                record,
                errors.get(name, 0),
                warnings.get(name, 0),
                orchestrator_path(name),
                tuple(reasons.get(name, ())),
            )
            for name, record in self.view.by_name.items()
        ]

    @cached_property
    def counts(self) -> list[tuple[str, int, str, str]]:
        """Numbers of the whole view: what, how many, where to see them, and whether it is bad."""
        records = self.view.orchestrators
        not_live = sum(one.status.live is Live.FALSE for one in records)
        refused = sum(one.status.refused_peers for one in records)
        return [
            ("Orchestrators", len(records), "/#table-title", ""),
            ("Offers of peers", sum(one.status.peers or 0 for one in records), "/picture", ""),
            ("Refused", refused, "/?state=refused#table-title", "warn" if refused else ""),
            ("Not live", not_live, "/?state=notlive#table-title", "bad" if not_live else ""),
            (
                "Held changes",
                sum(bool(one.status.held) for one in records),
                "/?state=held#table-title",
                "",
            ),
            ("Spawned agents", len(self.view.agents), "/spawned", ""),
            ("Policies", len(self.view.policies), "/policies", ""),
        ]


def _orchestrator_text(row: Row) -> str:
    record = row.record
    return " ".join((str(record.key), record.workload, record.status.runtime, *row.reasons))


ORCHESTRATORS = Table[Row](
    text=_orchestrator_text,
    states={
        "problems": lambda row: row.errors + row.warnings > 0,
        "notlive": lambda row: row.record.status.live is Live.FALSE,
        "refused": lambda row: row.record.status.refused_peers > 0,
        "held": lambda row: bool(row.record.status.held),
        "hub": lambda row: not row.record.workload,
    },
    sorts={
        "name": lambda row: row.record.key,
        "problems": lambda row: (-row.errors, -row.warnings, row.record.key),
        "peers": lambda row: (-(row.record.status.peers or 0), row.record.key),
        "refused": lambda row: (-row.record.status.refused_peers, row.record.key),
        "live": lambda row: (_LIVE_ORDER[row.record.status.live], row.record.key),
        "runtime": lambda row: (row.record.status.runtime, row.record.key),
    },
)

PEERS = Table[PeerRecord](
    text=lambda one: (
        f"{one.key} {one.url} {one.description} {one.failure.reason if one.failure else ''}"
    ),
    states={
        "notready": lambda one: one.ready is False,
        "failed": lambda one: one.failure is not None,
        "unused": lambda one: one.offered_to in ("", "0"),
    },
    sorts={
        "name": lambda one: one.key,
        "offered": lambda one: (-_number(one.offered_to), one.key),
        "ready": lambda one: ({False: 0, None: 1, True: 2}[one.ready], one.key),
        "failure": lambda one: (
            -one.failure.time.timestamp() if one.failure and one.failure.time else 0.0,
            one.key,
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Banner:
    """What is wrong with the console itself: its watches that fail, and kinds that are not installed."""

    complete: bool = True
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass
class Pages:
    """Renders pages. `now` is a clock for expiries and old reports."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _dashboard: Dashboard | None = field(default=None, init=False)

    def render(self, template: str, **context: Any) -> str:
        """The HTML of a template."""
        return templates_of("hotpeers.console").render(template, **context)

    def overview(self, view: View, given: Given) -> dict[str, Any]:
        """Counts, problems and the table of orchestrators."""
        dashboard = self._dashboard_of(view)
        groups = grouped(dashboard.problems)
        query = ORCHESTRATORS.read(given)
        return {
            "counts": dashboard.counts,
            "groups": groups[:_MOST_GROUPS],
            "more_groups": max(len(groups) - _MOST_GROUPS, 0),
            "page": ORCHESTRATORS.select(dashboard.rows, query),
            "path": "/#table-title",
        }

    def picture(self, view: View, given: Given) -> dict[str, Any]:
        """The picture of who may call whom."""
        focus = given.get("focus", "")[:400]
        namespace = focus.partition("/")[0]
        if not view.visible.has(namespace):
            focus = ""
        places = sorted({one.key.namespace for one in view.orchestrators})
        return {"picture": picture(view, focus, self.now()), "focus": focus, "places": places}

    def peers(self, view: View, given: Given) -> dict[str, Any]:
        """The table of Peers."""
        query = PEERS.read(given)
        return {"page": PEERS.select(view.peers, query), "path": "/peers"}

    def orchestrator(self, view: View, namespace: str, name: str) -> dict[str, Any] | None:
        """One orchestrator; None if there is none, or if it may not be seen."""
        one = view.by_name.get(f"{namespace}/{name}")
        if one is None:
            return None
        status = one.status
        now = self.now()
        children = [agent for agent in view.agents if agent.parent == str(one.key)]
        return {
            "one": one,
            "state": state_of(one, now),
            "groups": grouped(shown_problems(one, now)),
            "replicas": [(replica, is_stale(replica, now)) for replica in status.replicas],
            "changes": list(reversed(status.changes)),
            "failing": [
                (replica, failing) for replica in status.replicas for failing in replica.failing
            ],
            "failures": _failures(status.replicas),
            "calls": sum(replica.calls for replica in status.replicas),
            "changed": _changed,
            "spawned": children[:100],
            "focus": path_of(str(one.key))[1:],
        }

    def spawned(self, view: View) -> dict[str, Any]:
        """The tree of spawned agents."""
        return {
            "trees": spawned_tree(view.agents),
            "total": len(view.agents),
            "names": view.by_name,
        }

    def policies(self, view: View) -> dict[str, Any]:
        """The SpawnPolicies with their use."""
        return {"policies": view.policies[:500], "total": len(view.policies)}

    def context(self, view: View, banner: Banner) -> dict[str, Any]:
        """What the frame of every page needs."""
        return {
            "version": view.version,
            "banner": banner,
            "now": self.now(),
            "explanation_of": explanation_of,
            "orchestrator_path": orchestrator_path,
            "path_of": path_of,
            "visible": view.visible,
        }

    def _dashboard_of(self, view: View) -> Dashboard:
        now = self.now()
        known = self._dashboard
        # Reports grow old without a change of the view.
        if known is None or known.view is not view or now - known.now > _FRESH:
            self._dashboard = known = Dashboard(view, now)
        return known


def _failures(replicas: Sequence[Replica]) -> list[tuple[str, int]]:
    """The failures of all replicas by reason, the most frequent first."""
    found: dict[str, int] = {}
    for replica in replicas:
        for reason, number in replica.failures.items():
            found[reason] = found.get(reason, 0) + number
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))


def _changed(change: Change) -> list[tuple[str, str, tuple[str, ...]]]:
    """The parts of a change: its class, its word and its names."""
    parts = [
        ("add", "added", change.added),
        ("del", "removed", change.removed),
        ("mod", "changed", change.changed),
    ]
    return [one for one in parts if one[2]]


def _number(text: str) -> int:
    digits = text.rstrip("+")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else 0
