"""SpawnPolicies that have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from ..base.parts import items
from .finding import Finding
from .reasons import CheckReason
from .snapshot import Part, Snapshot, place_of


def find_idle_policies(snapshot: Snapshot) -> Iterator[Finding]:
    """Policies without subjects."""
    for one in snapshot.of(Part.POLICIES):
        if not items(one, "spec", "subjects"):
            yield Finding(
                CheckReason.POLICY_WITHOUT_SUBJECTS, place_of(one), "its spec.subjects is empty"
            )
