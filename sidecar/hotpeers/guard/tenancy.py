"""What one namespace may ask of the guard, so that no other namespace is affected. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .known import KnownPolicy

LIMIT_PATH = "metadata.namespace"
"""The path of the finding of a policy beyond the limits."""


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Of one namespace: SpawnPolicies, and the distinct subjects of all of them together."""

    policies: int = 64
    subjects: int = 256


def served(
    policies: Iterable[KnownPolicy], limits: TenantLimits | None = None
) -> list[KnownPolicy]:
    """The policies of one namespace, those beyond the limits with the finding that says so.

    The oldest are served. One that is not served allows nothing, and its subjects stay governed.
    """
    limits = limits or TenantLimits()
    found: list[KnownPolicy] = []
    subjects: set[tuple[str, str]] = set()
    count = 0
    for policy in sorted(policies, key=lambda one: (one.created, one.key)):
        more = subjects | {(ref.kind, ref.name) for ref in policy.policy.spec.subjects}
        if count >= limits.policies:
            wrong = f"its namespace has more than {limits.policies} SpawnPolicies, and the oldest are served"
        elif len(more) > limits.subjects:
            wrong = f"the SpawnPolicies of its namespace name more than {limits.subjects} subjects"
        else:
            count, subjects = count + 1, more
            found.append(policy)
            continue
        found.append(
            replace(
                policy,
                policy=policy.policy.model_copy(update={"broken": wrong}),
                findings=((LIMIT_PATH, wrong),),
            )
        )
    return found


def is_beyond(policy: KnownPolicy) -> bool:
    """Whether a policy is not served because of the limits."""
    return any(path == LIMIT_PATH for path, _ in policy.findings)
