"""The ledger of one SpawnPolicy: which names may exist under it, and when agents were admitted.

A slot is a name. It is taken before its agent can exist, so there are never more agents than slots.
Every change starts from the newest ledger (compare-and-swap). An observation of an agent counts only
if its slot has not changed since before the observation, in the same ledger: a ledger that was lost
and rebuilt uses the same slot numbers again.
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
"""An admitted request may create its agent for this long; no request lives longer in an API server."""
MAX_AHEAD_SECONDS = 60.0
"""The largest tolerated clock difference of two replicas; a ledger further ahead is not used."""
MAX_CREATIONS = 10_000
"""The largest value of `limits.creates.count`."""
MAX_SLOTS = 10_000
"""The largest value of `limits.maxAgents`."""
_KEPT = 500
"""Creations that are kept beyond the window, so that a policy can lengthen its window later."""
_UID = 8
_MOST_PENDING = 256
"""For one name: another webhook may deny the same name again and again after its admission here."""
_MAX_SLOT_BYTES = 930_000
_SLOT_BYTES = 50

DeletionPolicy = Literal["Delete", "Retain"]


class LedgerFullError(Exception):
    """The ledger has no room for another name."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One name that may exist.

    `number` is that of its last admission, and is unique in this ledger. `pending` has one item for
    each admission whose agent has not been seen yet: the first characters of the uid in the request,
    or "" if the request had no uid. `at` is the time of the latest pending admission (unix seconds; 0
    if nothing is pending). `uid` is the first characters of the uid of the agent seen last, or "" if
    no agent was seen.
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
    """The last denied request, as the status of a SpawnPolicy reports it. `time` is RFC 3339."""

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
    """The counts of the policy with this key. Agents are named `namespace/name`.

    `created` are the times of admissions, in order. `clock` is the latest time of any writer, so that
    time in a ledger never goes back. Nothing is admitted before `held`; 0 disables that. All times are
    unix seconds.
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
    """Take the slot of this name, or share it with an earlier admission; both count for the rate.

    `uid` is that of the object in the request. Raises `LedgerFullError` if there is no room.
    """
    moment = max(math.ceil(now.timestamp()), ledger.clock)
    before = ledger.slots.get(agent)
    if before is None and _is_full(ledger.slots):
        raise LedgerFullError
    number = ledger.admissions + 1
    # An admission that many admissions ago has ended, or later ones stand for it.
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
    """The usage that a request for this name is decided with: its own slot does not count."""
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
    """Record that the agent of this name was seen after its slot was read as `before`.

    `now` is a time between the two.
    """
    slot = ledger.slots.get(agent)
    if slot is None or slot != before:
        return ledger
    short = uid[:_UID]
    still = () if _is_over(slot, now, hold) else _without(slot, short)
    after = Slot(slot.number, still, slot.at if still else 0, short)
    return ledger if after == slot else replace(ledger, slots=_with(ledger.slots, agent, after))


def departed(ledger: Ledger, agent: str, uids: Collection[str]) -> Ledger:
    """Free what deleted agents of this name and these uids used, without reading the API server.

    The slot goes if it has no pending admission and no seen agent left: then no agent can still be
    created from it.
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
    """Free the slot of an agent that was missing after its slot was read as `before`.

    `now` is a time between the two: an agent can have been created since. The slot stays if it has
    changed since, or if a pending admission was within the hold.
    """
    slot = ledger.slots.get(agent)
    if slot is None or slot != before or (slot.pending and not _is_over(slot, now, hold)):
        return ledger
    return replace(ledger, slots=_but(ledger.slots, agent))


def denied(ledger: Ledger, count: int, last: LastDenial | None) -> Ledger:
    """Add denied requests; `last` is the latest of them."""
    before = ledger.last_denial
    if last is None or (before is not None and before.time > last.time):
        last = before
    return replace(ledger, denials=ledger.denials + count, last_denial=last)


def pruned(ledger: Ledger, now: datetime, window_seconds: float = MAX_SECONDS) -> Ledger:
    """Drop creations that are too old to count, except a few."""
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
    """A ledger in place of a missing one, from all living agents and the last ledger that is known.

    If the ledger existed recently (`recent`: it was read within the hold) or any agent is alive, agents
    that it admitted may still be created: nothing is admitted until the hold ends.
    """
    before = known or Ledger(policy)
    lost = bool(agents or (recent and (before.slots or before.created)))
    moment = max(math.ceil(now.timestamp()), before.clock)
    held = math.ceil(moment + hold) if lost else 0
    return adopted(replace(before, clock=moment, held=held), agents)


def adopted(ledger: Ledger, agents: Mapping[str, Alive]) -> Ledger:
    """Add a slot for each of these agents that has none.

    There are such agents after a ledger was lost, or if a person wrote the stamps.
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
    """End the hold if its time has passed, and add missing slots.

    `agents` are all agents that were alive after the hold ended.
    """
    if now.timestamp() <= ledger.held:
        return ledger
    return adopted(replace(ledger, held=0), agents)


def is_alike(uid: str, slot: Slot | None) -> bool:
    """Whether this slot was seen with the agent of this uid."""
    return slot is not None and bool(slot.uid) and uid[:_UID] == slot.uid


@lru_cache(maxsize=2 * MAX_CREATIONS)
def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _is_over(slot: Slot, now: datetime, hold: float) -> bool:
    return now.timestamp() - slot.at > hold


def _without(slot: Slot, short: str) -> tuple[str, ...]:
    """The pending admissions without that of this agent."""
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
