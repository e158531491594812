"""A webhook configuration of the guard: for whom it asks, and what changes that. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ...spawnpolicy.governed import Account, Cover, fitted, is_account
from ...spawnpolicy.stamps import part
from .conditions import accounts_of, conditions_of

LEAVING = "hotpeers.dev/governed-leaving"
"""The annotation with the accounts that nobody needs, and that are about to go: JSON, names by namespace."""
RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["*"],
        "resources": ["*/*"],
        "scope": "*",
    }
]
_MARKED = 500
"""So many may be about to go at once: annotations hold 256 KiB."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A webhook configuration, as far as it says whom the API server sends to the guard.

    `accounts` are those of its conditions, `leaving` those of its annotation, `stays` what all others
    cover; `exact` where its webhooks ask for just these. `openings` says what lets
    requests of theirs pass all the same.
    """

    name: str
    version: str
    webhooks: int
    annotated: bool
    accounts: frozenset[Account] = frozenset()
    leaving: frozenset[Account] = frozenset()
    exact: bool = False
    openings: tuple[str, ...] = ()
    stays: Cover = field(default_factory=lambda: Cover(()), compare=False)

    def holds(self, accounts: Iterable[Account]) -> bool:
        """Whether requests of these accounts are sent, and go on being sent."""
        if not self.webhooks or not self.exact:
            return False
        return all(account in self.stays for account in accounts)

    def spans(self, account: Account) -> bool:
        """Whether a range that stays holds this account."""
        return self.exact and self.stays.spans(account)


def read_asking(data: Any) -> Asking:
    """A configuration as the API server has it."""
    metadata = part(data, "metadata")
    webhooks = data.get("webhooks") or []
    accounts = frozenset[Account]().union(
        *(accounts_of(one.get("matchConditions")) for one in webhooks)
    )
    leaving = _parsed(str(part(metadata, "annotations").get(LEAVING, "")))
    wanted = _asked(accounts)
    return Asking(
        name=str(metadata.get("name")),
        version=str(metadata.get("resourceVersion") or ""),
        webhooks=len(webhooks),
        annotated=bool(metadata.get("annotations")),
        accounts=accounts,
        leaving=leaving & accounts,
        stays=Cover(accounts - leaving),
        exact=all(_asks(webhook) == wanted for webhook in webhooks),
        openings=tuple(dict.fromkeys(one for hook in webhooks for one in _openings(hook))),
    )


def asking_patch(
    found: Asking, accounts: frozenset[Account], leaving: frozenset[Account]
) -> list[dict[str, Any]]:
    """A JSON patch that makes it ask for these accounts; empty where it does already."""
    if found.exact and found.accounts == accounts and found.leaving == leaving & accounts:
        return []
    stays = Cover(accounts - leaving)
    kept = frozenset(one for one in accounts if not stays.spares(one))
    entries = fitted(kept)
    # A namespace that has just taken the place of its names stays.
    shrunk = {namespace for namespace, _ in kept - entries}
    leaving = frozenset(one for one in leaving & entries if one[0] not in shrunk)
    if found.exact and found.accounts == entries and found.leaving == leaving:
        return []
    rules, conditions = _asked(entries)
    patch: list[dict[str, Any]] = [
        # Not on another than was looked at.
        {"op": "test", "path": "/metadata/resourceVersion", "value": found.version}
    ]
    if not found.annotated:
        patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    path = f"/metadata/annotations/{LEAVING.replace('/', '~1')}"
    patch.append({"op": "add", "path": path, "value": _written(leaving)})
    for i in range(found.webhooks):
        patch.append({"op": "add", "path": f"/webhooks/{i}/rules", "value": rules})
        patch.append({"op": "add", "path": f"/webhooks/{i}/matchConditions", "value": conditions})
    return patch


# Each list is rendered and read several times: for both configurations, and as a watch reports them.
@lru_cache(maxsize=4)
def _asked(accounts: frozenset[Account]) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    return (RULES, conditions_of(accounts)) if accounts else ([], [])


def _asks(webhook: Any) -> tuple[Any, Any]:
    return (webhook.get("rules") or [], webhook.get("matchConditions") or [])


def _openings(webhook: Any) -> Iterable[str]:
    if webhook.get("failurePolicy") != "Fail":
        yield f"failurePolicy is {webhook.get('failurePolicy')}"
    for selector in ("namespaceSelector", "objectSelector"):
        if any((webhook.get(selector) or {}).values()):
            yield f"it has a {selector}"


@lru_cache(maxsize=8)
def _written(accounts: frozenset[Account]) -> str:
    places: dict[str, list[str]] = {}
    for namespace, name in sorted(accounts):
        places.setdefault(namespace, []).append(name)
    return json.dumps(places, separators=(",", ":"))


@lru_cache(maxsize=8)
def _parsed(text: str) -> frozenset[Account]:
    """The accounts of an annotation, which somebody may have edited."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return frozenset()
    found = [
        (namespace, name)
        for namespace, names in data.items()
        for name in (names if isinstance(names, list) else ())
    ]
    return frozenset(one for one in found if isinstance(one[1], str) and is_account(one))


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: how long an account stays that nobody needs, and for how long it is marked first.

    `linger` is longer than a request may take and a watch may hang: what was admitted in view of a
    list without the mark is known by then.
    """

    grace: float = 600.0
    linger: float = 75.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Since when an account is not needed, and since when it is marked as leaving everywhere."""

    idle: float
    marked: float | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """What the leader takes out: first marked, later removed. `due` is when to look again."""

    mark: frozenset[Account] = frozenset()
    remove: frozenset[Account] = frozenset()
    clocks: Mapping[Account, Clock] = field(default_factory=dict)
    due: float | None = None


def plan_release(
    found: Sequence[Asking],
    wanted: frozenset[Account],
    clocks: Mapping[Account, Clock],
    now: float,
    patience: Patience,
) -> Release:
    """What is to leave now. Whoever relies on an account that is marked takes the mark away, and
    its time begins anew.
    """
    places: dict[Account, list[Asking]] = {}
    for one in found:
        for account in one.accounts - wanted:
            places.setdefault(account, []).append(one)
    marked_now = max((len(one.leaving) for one in found), default=0)
    after: dict[Account, Clock] = {}
    mark: set[Account] = set()
    remove: set[Account] = set()
    times: list[float] = []
    for account, askings in places.items():
        marked = all(account in one.leaving for one in askings)
        clock = clocks.get(account, Clock(now))
        if not marked and clock.marked is not None:
            clock = Clock(now)
        elif marked and clock.marked is None:
            clock = Clock(clock.idle, now)
        after[account] = clock
        if clock.marked is not None:
            time = max(clock.idle + patience.grace, clock.marked + patience.linger)
            if now >= time:
                remove.add(account)
        else:
            time = clock.idle + patience.grace - patience.linger
            if now >= time and len(mark) + marked_now < _MARKED:
                mark.add(account)
        times.append(time)
    return Release(frozenset(mark), frozenset(remove), after, min(times, default=None))
