"""Computes the status of a SpawnPolicy. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from hotpeers_shim.contract import clean_text

from ...spawnpolicy.known import KnownPolicy
from ...spawnpolicy.schema.policy import seconds_of
from ...spawnpolicy.stamps import FORMAT
from ...spawnpolicy.tenancy import is_beyond
from ..quota.ledger import LastDenial
from ..quota.reservations import Counts
from ..reasons import ControllerReason

READY = "Ready"
SECRETS = "SecretNamesChecked"
BEYOND = ControllerReason.BEYOND_LIMIT.value
"""The reason of a policy that is not served because its namespace has too many policies."""
# The maxLength of each field in the CRD.
_LONGEST = {
    "time": 40,
    "subject": 317,
    "operation": 32,
    "name": 253,
    "namespace": 63,
    "reason": 64,
    "field": 256,
    "message": 1024,
}
_NOTHING = Counts(0, ())


def status_change(  # noqa: PLR0913 - all that it is made of
    policy: KnownPolicy,
    counts: Counts | None,
    now: datetime,
    *,
    governed: bool,
    strays: tuple[str, ...] = (),
    absent: tuple[str, ...] = (),
    known: bool = True,
    secrets: bool | None = None,
) -> dict[str, Any]:
    """The fields to change in the status of a policy; empty if it is up to date.

    `governed`: whether its subjects are in the guard's webhook configurations. `strays`: the
    orchestrators that run as another account than their own. `absent`: the named Agents that do
    not exist. `secrets`: whether names of Secrets are checked; None if that is unknown. `counts` is
    None if the policy has no ledger. If `known` is false, the counts in the status stay as they
    are.
    """
    wanted: dict[str, Any] = {"observedGeneration": policy.generation}
    if known:
        wanted |= _counted(policy, counts or _NOTHING, now)
    held = counts.held if counts is not None else None
    ready = _ready(policy, held, now, governed=governed, strays=strays, absent=absent)
    before = policy.status.get("conditions")
    found = before if isinstance(before, list) else []
    ours = [ready, *([_secret_names(policy, checked=secrets)] if secrets is not None else ())]
    wanted["conditions"] = _with(found, ours, now)
    return {key: value for key, value in wanted.items() if policy.status.get(key) != value}


def _counted(policy: KnownPolicy, counts: Counts, now: datetime) -> dict[str, Any]:
    limits = policy.policy.spec.limits
    start = now - timedelta(seconds=seconds_of(limits.creates.window)) if limits else now
    found: dict[str, Any] = {
        "agentsAlive": counts.alive,
        "createsInWindow": sum(one > start for one in counts.created),
        "denials": counts.denials,
    }
    if counts.last_denial is not None:
        found["lastDenial"] = _told(counts.last_denial)
    return found


def _told(denial: LastDenial) -> dict[str, str]:
    return {key: clean_text(str(value), _LONGEST[key]) for key, value in asdict(denial).items()}


def _ready(  # noqa: PLR0913 - all that it is made of
    policy: KnownPolicy,
    held: datetime | None,
    now: datetime,
    *,
    governed: bool,
    strays: tuple[str, ...],
    absent: tuple[str, ...],
) -> Mapping[str, Any]:
    if policy.findings:
        message = "; ".join(f"{path}: {wrong}" for path, wrong in policy.findings)
        if is_beyond(policy):
            message = (
                f"{policy.findings[0][1]}; delete some, or ask the operator to raise guard.limits"
            )
        status, reason = (
            "False",
            BEYOND if is_beyond(policy) else ControllerReason.POLICY_FAULTY.value,
        )
        message = f"it allows nothing, and its subjects stay governed: {message}"
    elif not governed:
        status, reason = "False", ControllerReason.NOT_GOVERNED.value
        message = "its subjects are not in the guard's webhook configurations yet"
    elif strays:
        status, reason = "False", ControllerReason.ACCOUNT_NOT_NAMED.value
        more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
        message = (
            f"{', '.join(strays[:3])}{more}: what it does there is not governed; give the Agent its own name"
            " as serviceAccountName, or name that ServiceAccount among the subjects"
        )
    elif held is not None and held > now:
        status, reason = "False", ControllerReason.COUNTING.value
        message = f"its ledger was lost; no agent is admitted until {held.strftime(FORMAT)}"
    elif policy.policy.spec.mode == "Audit":
        status, reason = "True", "Audited"
        message = f"nothing is denied; denials are only reported{_missing(absent)}"
    else:
        status, reason = "True", "Enforced"
        message = f"its subjects are governed{_missing(absent)}"
        if not policy.policy.spec.subjects:
            message = "it names no subjects, and so governs no agent"
    return {
        "type": READY,
        "status": status,
        "reason": reason,
        "message": clean_text(message, 1024),
        "observedGeneration": policy.generation,
    }


def _secret_names(policy: KnownPolicy, *, checked: bool) -> Mapping[str, Any]:
    message = (
        "an agent with the name of a Secret is refused"
        if checked
        else "whether a Secret has the name of an agent is not looked at, for the controller may not read"
        " Secrets (guard.checkSecrets of the chart): keep names apart from those of Secrets"
    )
    return {
        "type": SECRETS,
        "status": "True" if checked else "False",
        "reason": "Checked" if checked else "CheckOff",
        "message": message,
        "observedGeneration": policy.generation,
    }


def _missing(absent: tuple[str, ...]) -> str:
    # This is not an error, because a policy is created before its orchestrator. But only this text
    # shows a misspelt name.
    if not absent:
        return ""
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return f"; its namespace has no Agent {', '.join(absent[:3])}{more} yet"


def _with(before: list[Any], ours: Sequence[Mapping[str, Any]], now: datetime) -> list[Any]:
    """These conditions, then those of other writers.

    A condition with an unchanged status keeps its lastTransitionTime.
    """
    moment = now.astimezone(UTC).strftime(FORMAT)
    there = {one.get("type"): one for one in before if isinstance(one, dict)}
    found: list[Any] = []
    for wanted in ours:
        last = there.get(wanted["type"], {})
        same = last.get("status") == wanted["status"]
        since = str(last.get("lastTransitionTime") or moment) if same else moment
        found.append({**wanted, "lastTransitionTime": since})
    types = {wanted["type"] for wanted in ours}
    others = [one for one in before if not isinstance(one, dict) or one.get("type") not in types]
    return [*found, *others[: 16 - len(found)]]
