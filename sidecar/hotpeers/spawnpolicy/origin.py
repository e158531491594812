"""Whether the guard can have stamped an agent. Pure.

Stamps are annotations. Unless a ValidatingAdmissionPolicy protects them, any user with write access to
Agents can forge them. Forged stamps must not make an unrelated account governed, and must not count
for the policy of another tenant. If a part of the stamps is missing, the agent stays governed: no
agent may escape its policy by the removal of an annotation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .schema.policy import SpawnPolicy
from .stamps import ACCOUNT, DEPTH, POLICY, SPAWNED, SPAWNED_BY, UID, Stamps

_DEPTH = re.compile(r"[1-8]")
"""The depths that a policy can allow (`limits.maxDepth`)."""


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """One kagent Agent. `account` is the name of the ServiceAccount that it runs as."""

    namespace: str
    name: str
    uid: str
    account: str
    stamps: Stamps = field(default_factory=Stamps)
    ending: bool = False

    @property
    def title(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def stamped(self) -> bool:
        """Whether it has the guard's label or policy annotation. Either may be forged."""
        return self.stamps.labels.get(SPAWNED) == "true" or POLICY in self.stamps.annotations

    @property
    def policy(self) -> str:
        """The key of the SpawnPolicy in its stamps, or "" if missing."""
        return self.stamp(POLICY)

    @property
    def depth(self) -> int:
        """The depth in its stamps, or 0 if it is missing or invalid."""
        text = self.stamp(DEPTH)
        return int(text) if _DEPTH.fullmatch(text) else 0

    def stamp(self, key: str) -> str:
        """One stamp, or "" if it is missing or not a string."""
        found = self.stamps.annotations.get(key)
        return found if isinstance(found, str) else ""


OfUid = Callable[[str], KnownAgent | None]
"""Returns the Agent with a uid, or None if no agent has it."""


def is_spawned(agent: KnownAgent, of_uid: OfUid) -> bool:
    """Whether the guard can have stamped this agent, so that its account is governed.

    The guard admits an agent only with the account of its own name. An agent of depth 1 is created by
    an account of the policy's namespace. A deeper agent is created by an agent of the same policy, one
    level up. The result does not depend on the current content of the policy: an edit of the policy
    must not release an agent from it.
    """
    while True:
        if not agent.stamped or agent.account != agent.name:
            return False
        account = agent.stamp(ACCOUNT)
        if not agent.policy or not agent.depth or not account:
            return True
        if agent.depth == 1:
            return account.partition("/")[0] == agent.policy.partition("/")[0]
        spawner = of_uid(agent.stamp(UID))
        if spawner is None:
            # The spawner is gone, so this agent will be garbage-collected soon.
            return True
        changed = spawner.account != spawner.name or not (spawner.policy and spawner.depth)
        if spawner.stamped and spawner.title == account and changed:
            # The spawner was edited later. This must not release the agents that it spawned.
            return True
        above = (spawner.policy, spawner.depth, spawner.title)
        if above != (agent.policy, agent.depth - 1, account):
            return False
        agent = spawner


def may_count(agent: KnownAgent, key: str, policy: SpawnPolicy | None, of_uid: OfUid) -> bool:
    """Whether an agent without a slot counts for the policy with this key.

    It counts if a subject of the policy can have created it. If the policy is gone (`policy` is None),
    only the stamps decide.
    """
    complete = agent.policy == key and agent.depth > 0 and bool(agent.stamp(UID))
    if not complete or not is_spawned(agent, of_uid):
        return False
    if policy is None:
        return True
    limits = policy.spec.limits
    return (
        agent.namespace in policy.spec.targetNamespaces
        and limits is not None
        and agent.depth <= limits.maxDepth
        and _by_subject(agent, policy, of_uid)
    )


def _by_subject(agent: KnownAgent, policy: SpawnPolicy, of_uid: OfUid) -> bool:
    """Whether a current subject of the policy can have created this agent."""
    spawner = of_uid(agent.stamp(UID))
    if agent.depth > 1:
        return spawner is not None
    namespace, _, account = agent.stamp(ACCOUNT).partition("/")
    if not agent.stamp(SPAWNED_BY):
        return namespace == policy.namespace and policy.names_subject("ServiceAccount", account)
    return (
        spawner is not None
        and spawner.namespace == policy.namespace
        and spawner.account == account
        and (
            policy.names_subject("Agent", spawner.name)
            or policy.names_subject("ServiceAccount", account)
        )
    )
