"""What is wrong in the cluster, grouped by reason, the worst first. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ..controller.reasons import ControllerReason
from ..hold.reasons import HoldReason
from ..kube.reasons import KubeReason
from ..mcp.reasons import McpReason
from ..model.orchestrator_status import LIVE
from ..model.reasons import ModelReason
from ..overview.reasons import OverviewReason
from ..overview.summary import Orchestrator, Severity, faults_of
from ..page.remedy import Advice, advice_of
from ..registry.reasons import RegistryReason
from ..sidecar.reasons import SidecarReason
from ..spawnpolicy.reasons import PolicyReason
from .query import orchestrator_path
from .records import PolicyRecord

VOCABULARIES = (
    ControllerReason,
    HoldReason,
    KubeReason,
    McpReason,
    ModelReason,
    OverviewReason,
    PolicyReason,
    RegistryReason,
    SidecarReason,
)
"""The words that a status may have. `advice_of` knows them because they are imported here."""
_ENTRIES = 5


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. `owner` is the `namespace/name` whose page shows it, `link` its path."""

    severity: Severity
    reason: str
    owner: str
    where: str
    message: str
    link: str


@dataclass(frozen=True, slots=True)
class Group:
    """All troubles of one reason. `owners` is the number of orchestrators or policies that have it."""

    severity: Severity
    reason: str
    advice: Advice
    count: int
    owners: int
    examples: tuple[Trouble, ...]


def troubles_of(one: Orchestrator, now: datetime) -> Iterator[Trouble]:
    """What is wrong with an orchestrator."""
    owner = str(one.key)
    link = orchestrator_path(owner)
    for fault in faults_of(one, now):
        where = fault.subject or LIVE
        yield Trouble(fault.severity, fault.reason, owner, where, fault.message, link)


def troubles_of_policy(one: PolicyRecord) -> Iterator[Trouble]:
    """What is wrong with a SpawnPolicy."""
    if one.standing.ready is False:
        reason, message = one.standing.reason, one.standing.message
        yield Trouble(Severity.ERROR, reason, str(one.key), "SpawnPolicy", message, "/policies")


def grouped(troubles: Iterable[Trouble]) -> list[Group]:
    """Groups of troubles: errors first, then the most frequent."""
    found: dict[tuple[Severity, str], list[Trouble]] = {}
    for one in troubles:
        found.setdefault((one.severity, one.reason), []).append(one)
    groups = [
        Group(
            severity,
            reason or "Unknown",
            advice_of(reason),
            len(members),
            len({one.owner for one in members}),
            tuple(members[:_ENTRIES]),
        )
        for (severity, reason), members in found.items()
    ]
    return sorted(groups, key=lambda one: (one.severity, -one.count, one.reason))
