"""Finds the slots of a ledger that are free again, by reading each Agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...base.parts import part
from ...spawnpolicy.known import read_agent
from ...spawnpolicy.origin import is_spawned
from .books import Book
from .ledger import Alive, Ledger, Slot, adopted, is_alike, release, seen
from .ledgers import Held, created_at

MAX_LOOKS = 256
"""Agents that are read in one pass; the next pass continues from there."""
_AT_ONCE = 16

Shown = Mapping[str, bool]
"""The agents in the watch cache under a policy: whether each counts if it has no slot."""
LiveRead = Callable[[str, str], Awaitable[Any | None]]
"""Reads an Agent by namespace and name from the API server; None if it is missing."""


@dataclass(frozen=True, slots=True)
class Look:
    """The observation of one name, after its slot was read. `alive` is None if the agent is missing."""

    agent: str
    before: Slot | None
    alive: Alive | None


def to_look_at(book: Book, held: Held, agents: Shown | None) -> list[str]:
    """Names to check: agents without a slot, and all slots but settled ones whose agent is watched."""
    slots = held.ledger.slots
    if agents is None:
        names = sorted(slots)
    else:
        doubtful = {name for name, slot in slots.items() if slot.pending or name not in agents}
        lacking = {name for name, counts in agents.items() if counts and name not in slots}
        names = sorted(doubtful | lacking)
    if len(names) <= MAX_LOOKS:
        return names
    start = book.cursor % len(names)
    book.cursor = start + MAX_LOOKS
    return (names[start:] + names[:start])[:MAX_LOOKS]


async def look(held: Held, names: list[str], read: LiveRead) -> list[Look]:
    """Read these agents, a few at the same time. Raises the errors of `read`."""
    gate = asyncio.Semaphore(_AT_ONCE)
    ledger = held.ledger

    async def one(agent: str) -> Look:
        namespace, _, name = agent.partition("/")
        async with gate:
            found = await read(namespace, name)
        before = ledger.slots.get(agent)
        metadata = part(found, "metadata")
        uid = str(metadata.get("uid") or "")
        agent_now = read_agent(found)
        # The spawner is not looked up. Without it, any stamp that the guard can have written counts.
        ours = agent_now.policy == ledger.policy and is_spawned(agent_now, lambda _: None)
        if found is None or not (ours or is_alike(uid, before)):
            return Look(agent, before, None)
        return Look(agent, before, Alive(uid, created_at(metadata)))

    return await asyncio.gather(*map(one, names))


def applied(ledger: Ledger, looks: list[Look], now: datetime, hold: float) -> Ledger:
    """The ledger after these observations; the same object if they change nothing.

    `now` is the time before the first of them.
    """
    for one in looks:
        if one.before is None:
            if one.alive is not None and one.agent not in ledger.slots:
                ledger = adopted(ledger, {one.agent: one.alive})
        elif one.alive is None:
            ledger = release(ledger, one.agent, one.before, now, hold)
        else:
            ledger = seen(ledger, one.agent, one.before, one.alive.uid, now, hold=hold)
    return ledger
