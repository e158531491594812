"""Limits of a policy: number of agents, creation rate, depth and lifetime."""

from __future__ import annotations

from datetime import timedelta

from ..reasons import PolicyReason
from ..request import Facts, Subject
from ..schema.policy import SpawnPolicy, seconds_of
from .walk import Checker


def check_limits(checker: Checker, policy: SpawnPolicy, subject: Subject, facts: Facts) -> None:
    """Checker whether this subject may create one more agent now."""
    limits = policy.spec.limits
    path = "spec"
    if limits is None:
        wrong = f"the policy {policy.key} sets no limits, and so allows no agent"
        checker.deny(PolicyReason.TOO_MANY_AGENTS, path, wrong)
        return
    usage = facts.usage.get(policy.key)
    alive = usage.alive if usage else 0
    if alive >= limits.maxAgents:
        wrong = f"{alive} agents are alive under {policy.key}"
        checker.deny(
            PolicyReason.TOO_MANY_AGENTS, path, wrong, f"{limits.maxAgents}; delete one first"
        )
    start = facts.now - timedelta(seconds=seconds_of(limits.creates.window))
    recent = sum(one > start for one in usage.created) if usage else 0
    if recent >= limits.creates.count:
        wrong = f"{recent} agents were created within {limits.creates.window}"
        checker.deny(PolicyReason.TOO_MANY_CREATES, path, wrong, f"{limits.creates.count}; wait")
    check_depth(checker, policy, subject)


def check_depth(checker: Checker, policy: SpawnPolicy, subject: Subject) -> None:
    """Checker the depth of this subject's agents: their distance from the policy's orchestrator."""
    deepest = policy.spec.limits.maxDepth if policy.spec.limits else 0
    if subject.depth + 1 > deepest:
        wrong = f"agents of this agent would be {subject.depth + 1} deep"
        checker.deny(
            PolicyReason.TOO_DEEP, "spec", wrong, f"{deepest}; let its orchestrator create it"
        )


def lifetime(policy: SpawnPolicy, asked: object) -> int:
    """Lifetime of an agent in seconds, at most the policy's maximum.

    `asked` is the requested duration, or not a string for the default. Returns 0 if the policy has no
    limits.
    """
    if policy.spec.limits is None:
        return 0
    ttl = policy.spec.limits.ttl
    longest = seconds_of(ttl.max)
    chosen = seconds_of(asked) if isinstance(asked, str) else seconds_of(ttl.default)
    return min(chosen, longest)
