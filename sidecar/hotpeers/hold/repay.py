"""Selects held Deployments whose rollout can be done now, and their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .window import Window


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions under which debts are repaid. `idle` is in seconds."""

    enabled: bool = True
    idle: float = 600.0
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True)
class Debt:
    """A held Deployment whose pods all have the wanted configuration. `since` is in unix seconds."""

    namespace: str
    name: str
    since: float


def due_debts(debts: Iterable[Debt], terms: Terms, now: datetime) -> list[Debt]:
    """The debts that may be repaid now if their pods are idle, the oldest first.

    A debt must be at least as old as the required idle time. So two edits of an idle agent in a short
    time cause one rollout.
    """
    if not terms.enabled or not terms.window.is_open(now):
        return []
    old = [one for one in debts if now.timestamp() - one.since >= terms.idle]
    return sorted(old, key=lambda one: (one.since, one.namespace, one.name))


def idle_enough(idle: Iterable[float | None], terms: Terms) -> bool:
    """Whether each pod has been idle for long enough. False without pods or with an unknown time."""
    found = list(idle)
    return bool(found) and all(one is not None and one >= terms.idle for one in found)
