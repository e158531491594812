"""The invitation of a namespace: who from outside of it may read its peers."""

from __future__ import annotations

from collections.abc import Mapping

READERS = "hotpeers.dev/readers"
"""The annotation of a Namespace with the names of namespaces and accounts that may read its peers."""
EVERYONE = "*"


def readers_of(annotations: Mapping[str, str]) -> frozenset[str]:
    """The readers that a Namespace invites: namespaces, accounts as `namespace/name`, or `EVERYONE`."""
    return frozenset((annotations.get(READERS) or "").replace(",", " ").split())


def invites(readers: frozenset[str], home: str) -> bool:
    """Whether these readers include the whole namespace `home`."""
    return EVERYONE in readers or home in readers
