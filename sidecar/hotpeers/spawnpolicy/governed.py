"""The ServiceAccounts whose requests the API server sends to the guard: names and ranges. Pure.

A name that ends in `*` is a range: all accounts of its namespace whose name has this prefix. `*` alone
means the whole namespace.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from ..base.names import LABEL, NamespacedName
from .origin import KnownAgent
from .schema.policy import SpawnPolicy

WHOLE = "*"
"""Used instead of a name: every account of the namespace."""
MOST_IN_PLACE, MOST_CHARS_IN_PLACE = 512, 32_768
"""Limits of one namespace, in names and characters. Above them, it is matched as a whole."""
MOST, MOST_CHARS = 8_000, 500_000
"""Limits of all namespaces together, because an object in the API server holds at most 1.5 MB. Above
them, the largest namespaces are matched as a whole.
"""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?|([a-z0-9][-a-z0-9.]{0,251})?\*")

Account = NamespacedName
"""Namespace and name of a ServiceAccount, or of a range of them."""


@lru_cache(maxsize=32_768)
def is_account(account: Account) -> bool:
    """Whether such accounts can exist. Only these are written into a match condition."""
    namespace, name = account
    return LABEL.fullmatch(namespace) is not None and _NAME.fullmatch(name) is not None


def governed_accounts(
    policies: Iterable[SpawnPolicy], agents: Iterable[KnownAgent]
) -> frozenset[Account]:
    """The accounts of all subjects of these policies, and the accounts that their agents will use.

    `agents` are the Agents of the policies' namespaces. The names that a policy allows in its own
    namespace are governed before any such agent exists. So an admission does not have to wait until
    the match conditions are updated.
    """
    policies = tuple(policies)
    subjects = {
        NamespacedName(one.namespace, ref.name) for one in policies for ref in one.spec.subjects
    }
    named = {
        NamespacedName(one.namespace, ref.name)
        for one in policies
        for ref in one.spec.subjects
        if ref.kind == "Agent"
    }
    # `subjects` covers an Agent that does not exist yet: it will run as the account of its own name.
    found = subjects | {
        NamespacedName(agent.namespace, agent.account)
        for agent in agents
        if NamespacedName(agent.namespace, agent.name) in named
    }
    for policy in policies:
        if policy.namespace in policy.spec.targetNamespaces:
            found |= {NamespacedName(policy.namespace, pattern) for pattern in policy.spec.names}
    return frozenset(one for one in found if is_account(one))


class Cover:
    """The set of accounts that some entries match. Use it as `account in cover`."""

    def __init__(self, entries: Iterable[Account]) -> None:
        self._entries = frozenset(entries)
        ranges: dict[str, list[str]] = defaultdict(list)
        for namespace, name in self._entries:
            if name.endswith(WHOLE):
                ranges[namespace].append(name[:-1])
        self._ranges = {namespace: tuple(them) for namespace, them in ranges.items()}

    def __contains__(self, account: Account) -> bool:
        return account in self._entries or self.spans(account)

    def spans(self, account: Account) -> bool:
        """Whether a range covers this account or range. A range covers itself."""
        namespace, name = account
        ranges = self._ranges.get(namespace)
        return ranges is not None and name.removesuffix(WHOLE).startswith(ranges)

    def spares(self, entry: Account) -> bool:
        """Whether the entry is redundant: another range covers it."""
        namespace, name = entry
        base = name.removesuffix(WHOLE)
        ranges = self._ranges.get(namespace, ())
        if not name.endswith(WHOLE):
            return base.startswith(ranges) if ranges else False
        return any(base.startswith(one) and one != base for one in ranges)


def fitted(entries: frozenset[Account]) -> frozenset[Account]:
    """Entries that fit into a webhook configuration and cover at least the given accounts.

    A namespace above its limit is matched as a whole, so that it does not affect other namespaces.
    """
    places: dict[str, list[Account]] = defaultdict(list)
    for entry in entries:
        places[entry[0]].append(entry)
    sizes = {
        namespace: sum(len(namespace) + len(name) + 2 for _, name in there)
        for namespace, there in places.items()
    }
    count, chars = len(entries), sum(sizes.values())
    whole: set[str] = set()
    for namespace in sorted(places, key=lambda one: sizes[one], reverse=True):
        there = len(places[namespace])
        over = there > MOST_IN_PLACE or sizes[namespace] > MOST_CHARS_IN_PLACE
        if not over and count <= MOST and chars <= MOST_CHARS:
            if sizes[namespace] <= MOST_IN_PLACE:
                break  # namespaces with so few characters are below both limits
            continue
        whole.add(namespace)
        count, chars = count - there + 1, chars - sizes[namespace] + len(namespace) + 3
    if not whole:
        return entries
    kept = (one for one in entries if one[0] not in whole)
    return frozenset((*kept, *(NamespacedName(namespace, WHOLE) for namespace in whole)))
