"""The ledger of one SpawnPolicy: which names may exist under it, and when agents were admitted.

A slot is a name, and is taken before its agent can exist: there are never more agents than slots.
Whoever changes a ledger goes on from the newest one (compare-and-swap), and what was seen of an agent
counts only as long as its slot is still as it was before that look, in the same ledger: one that was
rebuilt after it was lost has the same numbers again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from ...spawnpolicy.request import Usage
from ...spawnpolicy.schema.policy import MAX_SECONDS

HOLD_SECONDS = 65.0
"""How long an admitted request may still make its agent: no request lives that long in an API server."""
MAX_AHEAD_SECONDS = 60.0
"""How far the clocks of two replicas may be apart; a ledger further ahead is not used."""
MAX_CREATIONS = 10_000
"""No policy can count further (`limits.creates.count`)."""
MAX_SLOTS = 10_000
"""No policy can allow more (`limits.maxAgents`)."""
_KEPT = 500
"""Creations that are kept though they are older than the window, so that it can be made longer."""
_UID = 8
_MOST_PENDING = 256
"""Of one name: the same name may be tried again and again, and be refused by somebody else."""
_MAX_SLOT_BYTES = 930_000
_SLOT_BYTES = 50

DeletionPolicy = Literal["Delete", "Retain"]


class LedgerFullError(Exception):
    """There is no place for one more name in a ledger."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One name that may exist.

    `number` is that of its last admission, and never comes again in this ledger. `pending` has an
    item for each admission whose agent was not seen yet: the beginning of the uid that the API server
    had given it ("" where the request had none). `at` is when the last of them was (unix seconds; 0
    where none is pending). `uid` is the beginning of that of the agent seen last, "" where none was.
    """

    number: int
    pending: tuple[str, ...] = ()
    at: int = 0
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Alive:
    """An agent that carries the stamp of a policy: its uid, and when it was created."""

    uid: str
    created: datetime


@dataclass(frozen=True, slots=True)
class LastDenial:
    """The last request that was refused, as the status of a SpawnPolicy has it. `time` is RFC 3339."""

    time: str
    subject: str = ""
    operation: str = ""
    name: str = ""
    namespace: str = ""
    reason: str = ""
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is counted under the policy of this key. Agents are named `namespace/name`.

    `created` are the times of admissions, in their order; `clock` is the latest time of any writer:
    time in a ledger never goes back. All times are unix seconds. Before `held` nothing is admitted,
    0 where that is not so.
    """

    policy: str
    slots: Mapping[str, Slot] = field(default_factory=lambda: MappingProxyType({}))
    created: tuple[int, ...] = ()
    admissions: int = 0
    clock: int = 0
    held: int = 0
    deletion_policy: DeletionPolicy = "Delete"
    denials: int = 0
    last_denial: LastDenial | None = None


def reserve(ledger: Ledger, agent: str, now: datetime, uid: str = "") -> Ledger:
    """Take the slot of this name, or share it with the one who had it; either counts for the rate.

    `uid` is that of the object in the request. `LedgerFullError` where there is no place for another name.
    """
    moment = max(math.ceil(now.timestamp()), ledger.clock)
    before = ledger.slots.get(agent)
    if before is None and _is_full(ledger.slots):
        raise LedgerFullError
    number = ledger.admissions + 1
    # What was admitted so many times ago is over, or told by those that came after it.
    pending = (*(before.pending if before else ()), uid[:_UID])[-_MOST_PENDING:]
    slot = Slot(number, pending, moment, before.uid if before else "")
    return replace(
        ledger,
        slots=_with(ledger.slots, agent, slot),
        created=(*ledger.created, moment)[-MAX_CREATIONS:],
        admissions=number,
        clock=moment,
    )


def usage(ledger: Ledger, agent: str, now: datetime, window_seconds: float = MAX_SECONDS) -> Usage:
    """What is in use, for one who asks for this name: its own slot is not counted."""
    start = bisect_right(ledger.created, now.timestamp() - window_seconds)
    return Usage(
        alive=len(ledger.slots) - (agent in ledger.slots),
        created=tuple(map(_moment, ledger.created[start:])),
    )


def seen(  # noqa: PLR0913 - what was seen, of what, when
    ledger: Ledger,
    agent: str,
    before: Slot,
    uid: str,
    now: datetime,
    *,
    hold: float = HOLD_SECONDS,
) -> Ledger:
    """The agent of this name was seen alive, after `before` was read as its slot."""
    slot = ledger.slots.get(agent)
    if slot is None or slot != before:
        return ledger
    short = uid[:_UID]
    still = () if _is_over(slot, now, hold) else _without(slot, short)
    after = Slot(slot.number, still, slot.at if still else 0, short)
    return ledger if after == slot else replace(ledger, slots=_with(ledger.slots, agent, after))


def departed(ledger: Ledger, agent: str, uids: Collection[str]) -> Ledger:
    """Agents of this name and these uids existed, and are gone: free what they used, without a look.

    The slot goes with the last of its admissions: what has no pending one left cannot come to be.
    """
    slot = ledger.slots.get(agent)
    if slot is None:
        return ledger
    gone = {uid[:_UID] for uid in uids if uid}
    pending = tuple(one for one in slot.pending if one not in gone)
    uid = "" if slot.uid in gone else slot.uid
    if pending == slot.pending and uid == slot.uid:
        return ledger
    if not pending and not uid:
        return replace(ledger, slots=_but(ledger.slots, agent))
    after = Slot(slot.number, pending, slot.at if pending else 0, uid)
    return replace(ledger, slots=_with(ledger.slots, agent, after))


def release(
    ledger: Ledger, agent: str, before: Slot, now: datetime, hold: float = HOLD_SECONDS
) -> Ledger:
    """There was no agent of this name, after `before` was read as its slot: free it if none can come."""
    slot = ledger.slots.get(agent)
    if slot is None or slot != before or (slot.pending and not _is_over(slot, now, hold)):
        return ledger
    return replace(ledger, slots=_but(ledger.slots, agent))


def denied(ledger: Ledger, count: int, last: LastDenial | None) -> Ledger:
    """This many requests more were refused, `last` the latest of them."""
    before = ledger.last_denial
    if last is None or (before is not None and before.time > last.time):
        last = before
    return replace(ledger, denials=ledger.denials + count, last_denial=last)


def pruned(ledger: Ledger, now: datetime, window_seconds: float = MAX_SECONDS) -> Ledger:
    """Without creations that are too old to count, but for a few."""
    moment, length = now.timestamp(), len(ledger.created)
    outside = bisect_right(ledger.created, moment - window_seconds)
    ancient = bisect_right(ledger.created, moment - MAX_SECONDS)
    start = max(min(outside, length - _KEPT), ancient, length - MAX_CREATIONS, 0)
    return ledger if start == 0 else replace(ledger, created=ledger.created[start:])


def rebuilt(  # noqa: PLR0913 - what is known, from where, when
    policy: str,
    agents: Mapping[str, Alive],
    known: Ledger | None,
    now: datetime,
    *,
    hold: float = HOLD_SECONDS,
    recent: bool = True,
) -> Ledger:
    """The ledger in place of one that is not there: of all live agents, and of what is still known.

    Where one must have been there of late (`recent`: it was known within the hold), what it had
    admitted may still be on its way: nothing is admitted until that is over.
    """
    before = known or Ledger(policy)
    lost = bool(agents or (recent and (before.slots or before.created)))
    moment = max(math.ceil(now.timestamp()), before.clock)
    held = math.ceil(moment + hold) if lost else 0
    return adopted(replace(before, clock=moment, held=held), agents)


def adopted(ledger: Ledger, agents: Mapping[str, Alive]) -> Ledger:
    """With a slot for each of these agents that has none.

    They are there where a ledger was lost, or somebody wrote the stamps by hand.
    """
    slots, created, number = dict(ledger.slots), list(ledger.created), ledger.admissions
    for name in sorted(agents.keys() - slots.keys()):
        number += 1
        slots[name] = Slot(number, uid=agents[name].uid[:_UID])
        created.append(max(min(math.ceil(agents[name].created.timestamp()), ledger.clock), 0))
    if number == ledger.admissions:
        return ledger
    times = tuple(sorted(created)[-MAX_CREATIONS:])
    return replace(ledger, slots=MappingProxyType(slots), created=times, admissions=number)


def opened(ledger: Ledger, agents: Mapping[str, Alive], now: datetime) -> Ledger:
    """Without its hold, if that is over; `agents` are all that were alive after it was."""
    if now.timestamp() <= ledger.held:
        return ledger
    return adopted(replace(ledger, held=0), agents)


def is_alike(uid: str, slot: Slot | None) -> bool:
    """Whether the agent of this uid is the one that was seen in this slot."""
    return slot is not None and bool(slot.uid) and uid[:_UID] == slot.uid


@lru_cache(maxsize=2 * MAX_CREATIONS)
def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _is_over(slot: Slot, now: datetime, hold: float) -> bool:
    return now.timestamp() - slot.at > hold


def _without(slot: Slot, short: str) -> tuple[str, ...]:
    """The pending admissions but for the one of this agent."""
    pending = list(slot.pending)
    if short in pending:
        pending.remove(short)
    elif short != slot.uid and "" in pending:
        pending.remove("")
    return tuple(pending)


def _but(slots: Mapping[str, Slot], agent: str) -> Mapping[str, Slot]:
    return MappingProxyType({name: one for name, one in slots.items() if name != agent})


def _with(slots: Mapping[str, Slot], agent: str, slot: Slot) -> Mapping[str, Slot]:
    return MappingProxyType({**slots, agent: slot})


def _is_full(slots: Mapping[str, Slot]) -> bool:
    count = len(slots)
    if count < MAX_SLOTS // 2:
        return False
    names = sum(len(agent) - agent.find("/") for agent in slots)
    return count >= MAX_SLOTS or names + count * _SLOT_BYTES > _MAX_SLOT_BYTES
