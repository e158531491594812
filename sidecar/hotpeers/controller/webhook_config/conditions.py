"""Accounts as matchConditions of a webhook: CEL that is true for their requests. Pure functions.

The conditions also store the list of accounts: `accounts_of` reads it back from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...base.names import NamespacedName
from ...spawnpolicy.governed import WHOLE, Account, is_account

# A webhook has at most 64 conditions, and the API server parses at most 100,000 characters of each.
# With these limits, a stretch and its overlapping ranges stay below that, and 63 stretches hold as
# many accounts as `governed.MOST` allows.
_IN_STRETCH, _CHARS_IN_STRETCH = 400, 60_000
_PREFIX = "system:serviceaccount:"
_USER = "request.userInfo.username"
_LISTED = re.compile(r"'\|([^']*)\|'\.contains")
_RANGES = re.compile(r"\[([^\]]*)\]\.exists")


def conditions_of(accounts: Iterable[Account]) -> list[dict[str, str]]:
    """matchConditions that are true for exactly these accounts. `accounts` must not be empty.

    A request matches only if all conditions are true, and the API server limits the length of each.
    So each condition checks one stretch of the alphabet, and is true for all users outside of it.
    The names are one long string, because the API server compiles that faster than a list of
    strings, and it compiles the conditions again after each change.
    """
    # Only user names of this form can match. They cannot contain the separator `|`.
    account = f"{_USER}.matches('^{_PREFIX}[-a-z0-9]+:[-a-z0-9.]+$')"
    conditions = [{"name": "account", "expression": account}]
    stretches = _stretches(accounts)
    for i, stretch in enumerate(stretches):
        outside = []
        if i > 0:
            outside.append(f"{_USER} < '{_PREFIX}{_base(stretch[0])}'")
        if i + 1 < len(stretches):
            outside.append(f"{_USER} >= '{_PREFIX}{_base(stretches[i + 1][0])}'")
        expression = " || ".join((*outside, *_inside(stretch)))
        conditions.append({"name": f"governed-{i}", "expression": expression})
    return conditions


def _inside(stretch: Sequence[str]) -> Iterable[str]:
    names = [one for one in stretch if not one.endswith(WHOLE)]
    ranges = [_base(one) for one in stretch if one.endswith(WHOLE)]
    if names:
        listed = "|".join(("", *names, ""))
        yield f"'{listed}'.contains({_USER}.replace('{_PREFIX}', '|', 1) + '|')"
    if ranges:
        listed = ", ".join(f"'{one}'" for one in ranges)
        yield f"[{listed}].exists(one, {_USER}.startsWith('{_PREFIX}' + one))"


def _stretches(accounts: Iterable[Account]) -> list[list[str]]:
    """All entries in alphabetical order, split into stretches that do not divide a range."""
    stretches: list[list[str]] = []
    chars, end = 0, ""
    for entry in sorted((f"{namespace}:{name}" for namespace, name in accounts), key=_base):
        base = _base(entry)
        full = bool(stretches) and (len(stretches[-1]) >= _IN_STRETCH or chars >= _CHARS_IN_STRETCH)
        within = bool(end) and base.startswith(end)
        if not stretches or (full and not within):
            stretches.append([])
            chars = 0
        stretches[-1].append(entry)
        chars += len(entry) + 4
        if entry.endswith(WHOLE) and not within:
            end = base
    return stretches


def _base(entry: str) -> str:
    return entry.removesuffix(WHOLE)


def accounts_of(conditions: Any) -> frozenset[Account]:
    """The entries of conditions. Invalid ones are skipped: a person may have edited them."""
    found: list[Account] = []
    for one in conditions if isinstance(conditions, list) else ():
        text = str(one.get("expression")) if isinstance(one, dict) else ""
        listed = [name for match in _LISTED.findall(text) for name in match.split("|")]
        ranges = [
            name.strip("'") + WHOLE for match in _RANGES.findall(text) for name in match.split(", ")
        ]
        for entry in (*listed, *ranges):
            namespace, _, name = entry.partition(":")
            found.append(NamespacedName(namespace, name))
    return frozenset(one for one in found if is_account(one))
