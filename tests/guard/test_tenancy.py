"""What one namespace may ask of the guard."""

from dataclasses import replace

from spawning import policy

from hotpeers.guard.known import KnownPolicy
from hotpeers.guard.spawn_policy import SubjectRef
from hotpeers.guard.tenancy import TenantLimits, is_beyond, served


def known(name: str, created: str = "2026-11-01T00:00:00Z", subjects: int = 1) -> KnownPolicy:
    refs = tuple(SubjectRef(kind="Agent", name=f"{name}-{i}") for i in range(subjects))
    return KnownPolicy(policy(name, subjects=refs), name, created)


def names(policies: list[KnownPolicy]) -> list[str]:
    return [one.policy.name for one in policies if not is_beyond(one)]


def test_oldest_policies_are_served() -> None:
    late, early = known("a", "2026-11-02T00:00:00Z"), known("z", "2026-11-01T00:00:00Z")
    found = served([late, early], TenantLimits(policies=1))
    assert names(found) == ["z"]
    beyond = next(one for one in found if is_beyond(one))
    assert "more than 1 SpawnPolicies" in beyond.policy.broken
    assert beyond.policy.spec.subjects == late.policy.spec.subjects, "they stay governed"


def test_subjects_are_counted_once() -> None:
    limits = TenantLimits(policies=9, subjects=4)
    same = replace(known("b"), policy=known("a", subjects=3).policy)
    assert names(served([known("a", subjects=3), same], limits)) == ["a", "a"]
    many = [known("a", subjects=3), known("b", subjects=2), known("c", subjects=1)]
    assert names(served(many, limits)) == ["a", "c"]


def test_policies_within_the_limits_are_as_they_were() -> None:
    policies = [known(name) for name in "abc"]
    assert all(after is before for after, before in zip(served(policies), policies, strict=True))
