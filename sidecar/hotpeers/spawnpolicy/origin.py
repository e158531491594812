"""Whether the guard can have stamped an agent. Pure.

Stamps are annotations: where no ValidatingAdmissionPolicy protects them, whoever may write Agents can
forge them. Forged stamps must neither govern the account of a bystander nor count for the policy of
another tenant. Where a part of the stamps is missing the agent stays governed: taking an annotation
away must free nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .schema.policy import SpawnPolicy
from .stamps import ACCOUNT, DEPTH, POLICY, SPAWNED, SPAWNED_BY, UID, Stamps

_DEPTH = re.compile(r"[1-8]")
"""No policy allows a deeper one (`limits.maxDepth`)."""


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """One Agent of kagent. `account` is the name of the ServiceAccount that it runs as."""

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
        """Whether it carries the label or the policy of the guard, whoever wrote them."""
        return self.stamps.labels.get(SPAWNED) == "true" or POLICY in self.stamps.annotations

    @property
    def policy(self) -> str:
        """The key of the SpawnPolicy in its stamps, "" where there is none."""
        return self.stamp(POLICY)

    @property
    def depth(self) -> int:
        """The depth in its stamps, 0 where it cannot be read."""
        text = self.stamp(DEPTH)
        return int(text) if _DEPTH.fullmatch(text) else 0

    def stamp(self, key: str) -> str:
        """One stamp, "" where it is missing or no text."""
        found = self.stamps.annotations.get(key)
        return found if isinstance(found, str) else ""


OfUid = Callable[[str], KnownAgent | None]
"""The Agent of a uid, None where no agent has it."""


def is_spawned(agent: KnownAgent, of_uid: OfUid) -> bool:
    """Whether the guard can have stamped this agent, so that its account is governed.

    The guard admits an agent only with the account of its own name. Its first agents are made by
    accounts of the policy's namespace, and all others by an agent of the same policy, one level up.
    Nothing here depends on what the policy says now: an edit of it must free nobody.
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
            # Its spawner is gone, and so it is about to be deleted.
            return True
        changed = spawner.account != spawner.name or not (spawner.policy and spawner.depth)
        if spawner.stamped and spawner.title == account and changed:
            # Somebody changed the spawner since, which must not free what it spawned.
            return True
        above = (spawner.policy, spawner.depth, spawner.title)
        if above != (agent.policy, agent.depth - 1, account):
            return False
        agent = spawner


def may_count(agent: KnownAgent, key: str, policy: SpawnPolicy | None, of_uid: OfUid) -> bool:
    """Whether an agent without a slot counts for the policy of this key: a subject can have made it.

    `policy` is None where it is gone: then the stamps alone decide.
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
    """Whether a subject of the policy, which is there now, can have made this agent."""
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
