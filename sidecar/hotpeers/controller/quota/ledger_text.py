"""The text of a ledger: compact JSON, read strictly, for what is misread admits too many.

Slots are grouped by namespace: a settled one is `[number, uid]`, another `[number, uid, pending,
at]`. Times are differences to the
one before. 10,000 creations within 720 hours take up to 40 kB, 10,000 slots less than 900 kB.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any

from .ledger import MAX_CREATIONS, MAX_SLOTS, LastDenial, Ledger, Slot

MAX_BYTES = 1_000_000
"""A ConfigMap holds 1 MiB."""
_VERSION = 1
_FIELDS = {
    *("v", "policy", "clock", "admissions", "held", "created", "alive"),
    *("deletionPolicy", "denials", "lastDenial"),
}
_DENIAL = {
    "time": 32,
    "subject": 317,
    "operation": 32,
    "name": 253,
    "namespace": 63,
    "reason": 64,
    "field": 256,
    "message": 1024,
}


class LedgerError(Exception):
    """A text is no ledger that we wrote, or a ledger is too large to be written."""


def read_ledger(text: str) -> Ledger:
    """The ledger of a text; `LedgerError` where it is anything but what `written` writes."""
    if len(text) > MAX_BYTES:
        raise LedgerError(f"it is longer than {MAX_BYTES} characters")
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"it is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("v") != _VERSION:
        raise LedgerError(f'it has not "v": {_VERSION}')
    if unknown := sorted(set(data) - _FIELDS):
        raise LedgerError(f"{unknown[0][:40]!r} is not known")
    deletion = data.get("deletionPolicy")
    if deletion not in ("Delete", "Retain"):
        raise LedgerError("deletionPolicy is neither Delete nor Retain")
    ledger = Ledger(
        policy=_text(data.get("policy"), "policy", 317),
        slots=MappingProxyType(_slots(data.get("alive"))),
        created=_created(data.get("created")),
        admissions=_number(data.get("admissions"), "admissions"),
        clock=_number(data.get("clock"), "clock"),
        held=_number(data.get("held"), "held"),
        deletion_policy=deletion,
        denials=_number(data.get("denials"), "denials"),
        last_denial=_denial(data.get("lastDenial")),
    )
    _check(ledger)
    return ledger


def written(ledger: Ledger) -> str:
    """The text of a ledger; `LedgerError` where it would be too large."""
    alive: dict[str, dict[str, list[Any]]] = {}
    for agent, slot in ledger.slots.items():
        namespace, _, name = agent.partition("/")
        parts = [slot.number, slot.uid, list(slot.pending), slot.at]
        alive.setdefault(namespace, {})[name] = parts if slot.pending else parts[:2]
    times = ledger.created
    data: dict[str, Any] = {
        "v": _VERSION,
        "policy": ledger.policy,
        "clock": ledger.clock,
        "admissions": ledger.admissions,
        "held": ledger.held,
        "created": [*times[:1], *(after - before for before, after in pairwise(times))],
        "alive": alive,
        "deletionPolicy": ledger.deletion_policy,
        "denials": ledger.denials,
    }
    if ledger.last_denial is not None:
        told = asdict(ledger.last_denial)
        data["lastDenial"] = {key: told[key][:most] for key, most in _DENIAL.items()}
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise LedgerError(f"it would be larger than {MAX_BYTES} bytes")
    return text


def _check(ledger: Ledger) -> None:
    """What no single part shows: a ledger that was put together by hand."""
    numbers = [slot.number for slot in ledger.slots.values()]
    if len(set(numbers)) != len(numbers) or max(numbers, default=0) > ledger.admissions:
        raise LedgerError("numbers of admissions occur twice, or are too large")
    latest = max((slot.at for slot in ledger.slots.values()), default=0)
    if max(latest, *ledger.created[-1:], 0) > ledger.clock:
        raise LedgerError("a time is later than the clock")


def _slots(data: Any) -> dict[str, Slot]:
    slots: dict[str, Slot] = {}
    for namespace, names in _object(data, "alive").items():
        for name, parts in _object(names, "alive").items():
            if not namespace or not name or "/" in namespace or "/" in name:
                raise LedgerError("a slot has no name")
            slots[f"{namespace}/{name}"] = _slot(parts)
    if len(slots) > MAX_SLOTS:
        raise LedgerError(f"it has more than {MAX_SLOTS} slots")
    return slots


def _slot(parts: Any) -> Slot:
    if not isinstance(parts, list) or len(parts) not in (2, 4):
        raise LedgerError("a slot has not two or four parts")
    number, uid = _number(parts[0], "a slot"), _text(parts[1], "a slot", 8)
    if len(parts) == 2:
        return Slot(number, uid=uid)
    slot = Slot(number, _pending(parts[2]), _number(parts[3], "a slot"), uid)
    if not slot.pending:
        raise LedgerError("a settled slot has a time")
    return slot


def _pending(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or len(data) > MAX_CREATIONS:
        raise LedgerError(f"a slot has no list of at most {MAX_CREATIONS} admissions")
    return tuple(_text(one, "a slot", 8) for one in data)


def _created(data: Any) -> tuple[int, ...]:
    if not isinstance(data, Sequence) or isinstance(data, str) or len(data) > MAX_CREATIONS:
        raise LedgerError(f"created is no list of at most {MAX_CREATIONS} times")
    return tuple(accumulate(_number(one, "created") for one in data))


def _denial(data: Any) -> LastDenial | None:
    if data is None:
        return None
    parts = _object(data, "lastDenial")
    if set(parts) != set(_DENIAL):
        raise LedgerError("lastDenial has not the fields that it must have")
    return LastDenial(
        **{key: _text(parts[key], "lastDenial", most) for key, most in _DENIAL.items()}
    )


def _object(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise LedgerError(f"{where} is no object")
    return data


def _number(data: Any, where: str) -> int:
    if not isinstance(data, int) or isinstance(data, bool) or not 0 <= data < 2**53:
        raise LedgerError(f"{where} has what is no number that it can have")
    return data


def _text(data: Any, where: str, most: int) -> str:
    if not isinstance(data, str) or len(data) > most:
        raise LedgerError(f"{where} has what is no text of at most {most} characters")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found
