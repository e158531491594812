"""The limits of one namespace in the guard."""

from dataclasses import replace

from hotpeers.spawnpolicy.known import Known, KnownPolicy
from hotpeers.spawnpolicy.schema.policy import SubjectRef
from hotpeers.spawnpolicy.tenancy import Served, TenantLimits, is_beyond, served
from kit.spawning import policy


def known(name: str, created: str = "2026-11-01T00:00:00Z", subjects: int = 1) -> KnownPolicy:
    refs = tuple(SubjectRef(kind="Agent", name=f"{name}-{i}") for i in range(subjects))
    return KnownPolicy(policy(name, subjects=refs), name, created)


def names(policies: dict[str, Served]) -> list[str]:
    return [one.policy.policy.name for one in policies.values() if not is_beyond(one.policy)]


def test_oldest_policies_are_served() -> None:
    late, early = known("a", "2026-11-02T00:00:00Z"), known("z", "2026-11-01T00:00:00Z")
    found = served([late, early], TenantLimits(policies=1))
    assert names(found) == ["z"]
    beyond = next(one.policy for one in found.values() if is_beyond(one.policy))
    assert "more than 1 SpawnPolicies" in beyond.policy.broken
    assert beyond.policy.subject_keys == late.policy.subject_keys, "they stay governed"


def test_subjects_are_counted_once() -> None:
    limits = TenantLimits(policies=9, subjects=4)
    three = known("a", subjects=3).policy
    same = replace(known("b"), policy=three.model_copy(update={"name": "b"}))
    assert names(served([known("a", subjects=3), same], limits)) == ["a", "b"]
    many = [known("a", subjects=3), known("b", subjects=2), known("c", subjects=1)]
    assert names(served(many, limits)) == ["a", "c"]


def test_policies_within_the_limits_are_as_they_were() -> None:
    policies = [known(name) for name in "abc"]
    found = served(policies)
    assert [one.policy for one in found.values()] == policies


def test_unchanged_policy_keeps_its_cached_answer() -> None:
    """A namespace of thousands is looked at again with each change of one of them."""
    policies = [known(f"p{number}", f"2026-11-01T00:00:0{number}Z") for number in range(4)]
    limits = TenantLimits(policies=2)
    first = served(policies, limits)
    kept = [one.policy for one in first.values()]
    again = served([known("new", "2026-11-02T00:00:00Z"), *kept], limits, first)
    assert all(again[key] is one for key, one in first.items())


def test_unserved_policy_is_kept_without_its_rules() -> None:
    full = known("b", "2026-11-02T00:00:00Z", subjects=3)
    kept = served([known("a"), full], TenantLimits(policies=1))[full.key].policy
    assert kept.reduced
    assert kept.policy.spec.subjects == kept.policy.spec.names == ()
    assert kept.policy.spec.limits == full.policy.spec.limits, (
        "its agents are still counted by them"
    )
    assert Known(policies=[kept.policy]).naming("team", "b-2") == [kept.policy]


def test_reduced_policy_is_read_again_before_it_is_served() -> None:
    limits = TenantLimits(policies=1)
    first, second = known("a"), known("b", "2026-11-02T00:00:00Z")
    kept = served([first, second], limits)[second.key].policy
    found = served([kept], limits)[second.key]
    assert found.stale
    assert is_beyond(found.policy), "it allows nothing until it was read"
    assert not served([second], limits)[second.key].stale
