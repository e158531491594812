"""Limits of one namespace's use of the guard, so that it does not affect other namespaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from .known import KnownPolicy
from .schema.policy import PolicySpec, SpawnPolicy

LIMIT_PATH = "metadata.namespace"
"""The path in the finding about a policy beyond the limits."""
# The fields that are still needed to count and expire agents admitted earlier under the policy.
_KEPT = ("mode", "targetNamespaces", "limits", "deletionPolicy")
_AGAIN = "it is within the limits again, and is being read again"


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Limits of one namespace: its SpawnPolicies, and the distinct subjects of all of them."""

    policies: int = 64
    subjects: int = 256


@dataclass(frozen=True, slots=True)
class Served:
    """A policy, and in `wrong` why it is not served ("" if it is served).

    A policy that is not served is reduced to save memory, because a namespace may have any number of
    them.
    """

    policy: KnownPolicy
    wrong: str

    @property
    def stale(self) -> bool:
        """Whether it is within the limits again, but its reduced record must be read again first."""
        return self.wrong == _AGAIN


def served(
    policies: Iterable[KnownPolicy],
    limits: TenantLimits | None = None,
    before: Mapping[str, Served] = MappingProxyType({}),
) -> dict[str, Served]:
    """The policies of one namespace by key. Those beyond the limits have a finding that says so.

    The oldest policies are served. A policy that is not served allows nothing, and its subjects stay
    governed. `before` is the previous result; unchanged items are reused from it if the caller passes
    its policies again.
    """
    limits = limits or TenantLimits()
    found: dict[str, Served] = {}
    subjects: set[int] = set()
    count = 0
    for policy in sorted(policies, key=lambda one: (one.created, one.key)):
        wrong = ""
        if count >= limits.policies:
            wrong = f"its namespace has more than {limits.policies} SpawnPolicies, and the oldest are served"
        elif len(subjects) + len(policy.policy.subject_keys - subjects) > limits.subjects:
            wrong = f"the SpawnPolicies of its namespace name more than {limits.subjects} subjects"
        else:
            count += 1
            subjects |= policy.policy.subject_keys
            wrong = _AGAIN if policy.reduced else ""
        last = before.get(policy.key)
        if last is not None and last.policy is policy and last.wrong == wrong:
            found[policy.key] = last
        else:
            found[policy.key] = Served(_reduced(policy, wrong) if wrong else policy, wrong)
    return found


def _reduced(known: KnownPolicy, wrong: str) -> KnownPolicy:
    policy = known.policy
    spec = PolicySpec().model_copy(update={name: getattr(policy.spec, name) for name in _KEPT})
    short = SpawnPolicy.model_construct(
        name=policy.name,
        namespace=policy.namespace,
        spec=spec,
        broken=wrong,
        dropped=policy.subject_keys,
    )
    return replace(known, policy=short, findings=((LIMIT_PATH, wrong),), reduced=True)


def is_beyond(policy: KnownPolicy) -> bool:
    """Whether a policy is not served because of the limits."""
    return any(path == LIMIT_PATH for path, _ in policy.findings)
