"""Which held Deployments may be rolled to what kagent wants, and which of them comes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .window import Window


@dataclass(frozen=True, slots=True)
class Terms:
    """When debts are repaid. `idle` is in seconds."""

    enabled: bool = True
    idle: float = 600.0
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True)
class Debt:
    """A held Deployment whose pods all have what kagent wants. `since` is in seconds since the epoch."""

    namespace: str
    name: str
    since: float


def due_debts(debts: Iterable[Debt], terms: Terms, now: datetime) -> list[Debt]:
    """The debts that may be repaid now if their pods are idle, the oldest first.

    One is as old as its pods must be idle: who edits an idle agent twice sees one rollout.
    """
    if not terms.enabled or not terms.window.is_open(now):
        return []
    old = [one for one in debts if now.timestamp() - one.since >= terms.idle]
    return sorted(old, key=lambda one: (one.since, one.namespace, one.name))


def idle_enough(idle: Iterable[float | None], terms: Terms) -> bool:
    """Whether each pod has been idle for long enough; not where that is unknown of one, or of all."""
    found = list(idle)
    return bool(found) and all(one is not None and one >= terms.idle for one in found)
