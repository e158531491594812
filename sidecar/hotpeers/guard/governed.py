"""Whom the API server sends to the guard: accounts as the rules of a webhook configuration. Pure.

The configuration itself holds the list, in an annotation, and the conditions say the same in CEL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from .spawn_policy import SpawnPolicy
from .stamps import part

GOVERNED = "hotpeers.dev/governed"
"""The annotation with the accounts: names by namespace, as JSON."""
LEAVING = "hotpeers.dev/governed-leaving"
"""The annotation with those of them that nobody needs, and that are about to go."""
RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["*"],
        "resources": ["*/*"],
        "scope": "*",
    }
]
_PREFIX = "system:serviceaccount:"
_USER = "request.userInfo.username"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# 63 conditions of the 64 that a webhook may have; each must stay below 100,000 characters, also
# with the longest names.
_IN_ONE = 250

Account = tuple[str, str]
"""Namespace and name of a ServiceAccount."""


class RunningAgent(Protocol):
    """What is to be known of an Agent: the ServiceAccount it runs as, and whether it was spawned."""

    @property
    def namespace(self) -> str:
        """Where it is, and its account."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def account(self) -> str:
        """The name of the ServiceAccount that its pods run as."""

    @property
    def spawned(self) -> bool:
        """Whether it bears the stamp of the guard."""


@lru_cache(maxsize=32_768)
def is_account(account: Account) -> bool:
    """Whether there can be such a ServiceAccount; nothing else is ever written into a condition."""
    namespace, name = account
    return _NAMESPACE.fullmatch(namespace) is not None and _NAME.fullmatch(name) is not None


def governed_accounts(
    policies: Iterable[SpawnPolicy], agents: Iterable[RunningAgent]
) -> frozenset[Account]:
    """The accounts of all subjects, and of all agents that were spawned."""
    subjects = {
        (ref.kind, policy.namespace, ref.name)
        for policy in policies
        for ref in policy.spec.subjects
    }
    # An Agent that is yet to be made will run as the account of its name.
    found = {(namespace, name) for _, namespace, name in subjects}
    for agent in agents:
        if agent.spawned or ("Agent", agent.namespace, agent.name) in subjects:
            found |= {(agent.namespace, agent.name), (agent.namespace, agent.account)}
    return frozenset(one for one in found if is_account(one))


def conditions_of(accounts: Iterable[Account]) -> list[dict[str, str]]:
    """matchConditions that are true for exactly these accounts, which are not none.

    All conditions must be true, and none may be longer than the API server parses: so each is about
    one stretch of the alphabet, and true for users outside of it. One long string is compiled faster
    than a list of as many strings, and each change is compiled again.
    """
    names = sorted(f"{namespace}:{name}" for namespace, name in accounts)
    parts = [names[i : i + _IN_ONE] for i in range(0, len(names), _IN_ONE)]
    # Nothing else of a user that is no account can match: `|` is in no name.
    account = f"{_USER}.matches('^{_PREFIX}[-a-z0-9]+:[-a-z0-9.]+$')"
    conditions = [{"name": "account", "expression": account}]
    for i, stretch in enumerate(parts):
        outside = []
        if i > 0:
            outside.append(f"{_USER} < '{_PREFIX}{stretch[0]}' || ")
        if i + 1 < len(parts):
            outside.append(f"{_USER} >= '{_PREFIX}{parts[i + 1][0]}' || ")
        listed = "|".join(("", *stretch, ""))
        inside = f"'{listed}'.contains({_USER}.replace('{_PREFIX}', '|', 1) + '|')"
        conditions.append({"name": f"governed-{i}", "expression": "".join((*outside, inside))})
    return conditions


@dataclass(frozen=True, slots=True)
class Asking:
    """A webhook configuration, as far as it says whom the API server sends to the guard.

    `accounts` and `leaving` are those of its annotations; `exact` where its webhooks ask for just
    these. `openings` says what lets requests of theirs by all the same.
    """

    name: str
    version: str
    webhooks: int
    annotated: bool
    accounts: frozenset[Account] = frozenset()
    leaving: frozenset[Account] = frozenset()
    exact: bool = False
    openings: tuple[str, ...] = ()

    def holds(self, accounts: frozenset[Account]) -> bool:
        """Whether requests of these accounts are sent, and go on being sent."""
        return (
            self.webhooks > 0
            and self.exact
            and accounts <= self.accounts
            and accounts.isdisjoint(self.leaving)
        )


def read_asking(data: Any) -> Asking:
    """A configuration as the API server has it."""
    metadata = part(data, "metadata")
    webhooks = data.get("webhooks") or []
    accounts, whole = _parsed(str(part(metadata, "annotations").get(GOVERNED, "")))
    leaving, _ = _parsed(str(part(metadata, "annotations").get(LEAVING, "")))
    wanted = _asked(accounts)
    return Asking(
        name=str(metadata.get("name")),
        version=str(metadata.get("resourceVersion") or ""),
        webhooks=len(webhooks),
        annotated=bool(metadata.get("annotations")),
        accounts=accounts,
        leaving=leaving & accounts,
        exact=whole and all(_asks(webhook) == wanted for webhook in webhooks),
        openings=tuple(dict.fromkeys(one for hook in webhooks for one in _openings(hook))),
    )


def asking_patch(
    found: Asking, accounts: frozenset[Account], leaving: frozenset[Account]
) -> list[dict[str, Any]]:
    """A JSON patch that makes it ask for these accounts; empty where it does already."""
    leaving &= accounts
    if found.exact and found.accounts == accounts and found.leaving == leaving:
        return []
    rules, conditions = _asked(accounts)
    patch: list[dict[str, Any]] = [
        # Not on another than was looked at.
        {"op": "test", "path": "/metadata/resourceVersion", "value": found.version}
    ]
    if not found.annotated:
        patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    for key, value in ((GOVERNED, accounts), (LEAVING, leaving)):
        path = f"/metadata/annotations/{key.replace('/', '~1')}"
        patch.append({"op": "add", "path": path, "value": _written(value)})
    for i in range(found.webhooks):
        patch.append({"op": "add", "path": f"/webhooks/{i}/rules", "value": rules})
        patch.append({"op": "add", "path": f"/webhooks/{i}/matchConditions", "value": conditions})
    return patch


# Each list is rendered and read several times: for both configurations, and as a watch tells of them.
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
def _parsed(text: str) -> tuple[frozenset[Account], bool]:
    """The accounts of an annotation, and whether it was one of ours; it may have been edited."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return frozenset(), False
    found = [
        (namespace, name)
        for namespace, names in data.items()
        for name in (names if isinstance(names, list) else ())
    ]
    good = frozenset(one for one in found if isinstance(one[1], str) and is_account(one))
    return good, _written(good) == text


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
    after: dict[Account, Clock] = {}
    mark, remove, times = set(), set(), []
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
            if now >= time:
                mark.add(account)
        times.append(time)
    return Release(frozenset(mark), frozenset(remove), after, min(times, default=None))
