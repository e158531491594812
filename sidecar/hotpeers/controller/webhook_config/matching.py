"""The accounts that a webhook configuration of the guard matches, and patches of them.

Pure functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import part
from ...spawnpolicy.governed import Account, Cover, fitted, is_account
from .conditions import accounts_of, conditions_of

LEAVING = "hotpeers.dev/governed-leaving"
"""The annotation with the unneeded accounts that will be removed: JSON, names by namespace."""
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
"""The most accounts that are leaving at once: annotations hold 256 KiB."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The part of a webhook configuration that selects the requests for the guard.

    `accounts` are those in its matchConditions, `leaving` those in its annotation. `stays` covers
    the accounts that are not leaving. `exact` is true if all its webhooks have exactly the rules
    and matchConditions for `accounts`. `openings` are settings that let requests bypass the guard.
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
        """Whether requests of these accounts are sent to the guard, and none of them is leaving."""
        if not self.webhooks or not self.exact:
            return False
        return all(account in self.stays for account in accounts)

    def spans(self, account: Account) -> bool:
        """Whether a range that is not leaving contains this account."""
        return self.exact and self.stays.spans(account)


def read_asking(data: Any) -> Asking:
    """Read a configuration from its JSON object."""
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
    """A JSON patch that makes it match these accounts; empty if it already does."""
    if found.exact and found.accounts == accounts and found.leaving == leaving & accounts:
        return []
    stays = Cover(accounts - leaving)
    kept = frozenset(one for one in accounts if not stays.spares(one))
    entries = fitted(kept)
    # If a whole namespace has just replaced its names, that entry must not be leaving.
    shrunk = {namespace for namespace, _ in kept - entries}
    leaving = frozenset(one for one in leaving & entries if one[0] not in shrunk)
    if found.exact and found.accounts == entries and found.leaving == leaving:
        return []
    rules, conditions = _asked(entries)
    patch: list[dict[str, Any]] = [
        # Fail if the configuration was changed since it was read.
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


# The same accounts are rendered several times: for both configurations, and for each watch event.
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
    """The accounts in an annotation. Invalid ones are skipped: a person may have edited it."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return frozenset()
    found = [
        NamespacedName(namespace, name)
        for namespace, names in data.items()
        for name in (names if isinstance(names, list) else ())
    ]
    return frozenset(one for one in found if isinstance(one[1], str) and is_account(one))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long unneeded accounts stay, in seconds.

    An account is removed after it was unneeded for `grace`, and it is marked as leaving for at
    least `linger` before that. `linger` is longer than a request may take and than a watch may
    hang: each agent that was admitted while the account was not marked is known before the
    removal.
    """

    grace: float = 600.0
    linger: float = 75.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The times since which an account is unneeded, and is marked as leaving everywhere."""

    idle: float
    marked: float | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The accounts that the leader marks and removes. `due` is the time of the next check."""

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
    """Plan which accounts to mark, and which to remove.

    A replica that needs a marked account removes the mark. Then the account's time starts again.
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
