"""What one namespace may ask of the guard, so that no other namespace is affected. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from .known import KnownPolicy

LIMIT_PATH = "metadata.namespace"
"""The path of the finding of a policy beyond the limits."""


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Of one namespace: SpawnPolicies, and the distinct subjects of all of them together."""

    policies: int = 64
    subjects: int = 256


@dataclass(frozen=True, slots=True)
class Served:
    """A policy as it is (`source`), why it is beyond the limits ("" if not), and as it is served."""

    source: KnownPolicy
    wrong: str
    policy: KnownPolicy


def served(
    policies: Iterable[KnownPolicy],
    limits: TenantLimits | None = None,
    before: Mapping[str, Served] = MappingProxyType({}),
) -> dict[str, Served]:
    """The policies of one namespace by key, those beyond the limits with the finding that says so.

    The oldest are served. One that is not served allows nothing, and its subjects stay governed.
    `before` is the last answer: what did not change is taken from it.
    """
    limits = limits or TenantLimits()
    found: dict[str, Served] = {}
    subjects: set[tuple[str, str]] = set()
    count = 0
    for policy in sorted(policies, key=lambda one: (one.created, one.key)):
        wrong = ""
        if count >= limits.policies:
            wrong = f"its namespace has more than {limits.policies} SpawnPolicies, and the oldest are served"
        else:
            more = subjects | {(ref.kind, ref.name) for ref in policy.policy.spec.subjects}
            if len(more) > limits.subjects:
                wrong = (
                    f"the SpawnPolicies of its namespace name more than {limits.subjects} subjects"
                )
            else:
                count, subjects = count + 1, more
        last = before.get(policy.key)
        if last is not None and last.source is policy and last.wrong == wrong:
            found[policy.key] = last
        else:
            found[policy.key] = Served(policy, wrong, _beyond(policy, wrong) if wrong else policy)
    return found


def _beyond(policy: KnownPolicy, wrong: str) -> KnownPolicy:
    broken = policy.policy.model_copy(update={"broken": wrong})
    return replace(policy, policy=broken, findings=((LIMIT_PATH, wrong),))


def is_beyond(policy: KnownPolicy) -> bool:
    """Whether a policy is not served because of the limits."""
    return any(path == LIMIT_PATH for path, _ in policy.findings)
