"""The known agents and policies of a cluster, as small records with lookups by account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base.names import NamespacedName
from ..base.parts import part
from .origin import KnownAgent, is_spawned, may_count
from .reading import read_leniently
from .request import Subject
from .schema.policy import SpawnPolicy, subject_key
from .stamps import Stamps, stamps_of

_LONGEST = 512
"""The longest stamp, in characters: it holds two names of up to 253."""


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """One SpawnPolicy. Each of its `findings` is the path of a field and what is wrong with it.

    `created` is its creationTimestamp, `status` the status that was reported last. If `reduced`,
    `policy` has no fields that are unused while the policy is not served.
    """

    policy: SpawnPolicy
    uid: str
    created: str = ""
    generation: int = 0
    findings: tuple[tuple[str, str], ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict, hash=False)
    reduced: bool = False

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return self.policy.key


def read_agent(data: Any) -> KnownAgent:
    """The record of an Agent object from the API server."""
    metadata, spec = part(data, "metadata"), part(data, "spec")
    name = str(metadata.get("name") or "")
    block = part(spec, "byo" if spec.get("type") == "BYO" else "declarative")
    account = part(block, "deployment").get("serviceAccountName")
    stamps = stamps_of(data)
    return KnownAgent(
        namespace=str(metadata.get("namespace") or ""),
        name=name,
        uid=str(metadata.get("uid") or ""),
        account=account[:_LONGEST] if isinstance(account, str) and account else name,
        # Stamps stay in memory for the life of the agent, and any user with write access to Agents may
        # have written them: limit their length.
        stamps=Stamps(
            {key: _cut(one) for key, one in stamps.annotations.items()},
            {key: _cut(one) for key, one in stamps.labels.items()},
        ),
        ending=bool(metadata.get("deletionTimestamp")),
    )


_MOST_LEFT = 1_000


def _cut(text: object) -> str:
    """A stamp, or "" (unreadable) if it is longer than any stamp that the guard writes."""
    return text if isinstance(text, str) and len(text) <= _LONGEST else ""


def read_known_policy(data: Any) -> KnownPolicy:
    """The record of a SpawnPolicy object, which may be invalid."""
    metadata = part(data, "metadata")
    policy, findings = read_leniently(data)
    generation = metadata.get("generation")
    return KnownPolicy(
        policy=policy,
        uid=str(metadata.get("uid") or ""),
        created=str(metadata.get("creationTimestamp") or ""),
        generation=generation if isinstance(generation, int) else 0,
        findings=findings,
        status=part(data, "status"),
    )


class Known:
    """Index of agents by account and policies by namespace.

    The cost of a lookup by account does not grow with the cluster.
    """

    def __init__(
        self, agents: Iterable[KnownAgent] = (), policies: Iterable[SpawnPolicy] = ()
    ) -> None:
        self._by_name: dict[NamespacedName, KnownAgent] = {}
        self._by_uid: dict[str, KnownAgent] = {}
        self._agents: dict[NamespacedName, list[KnownAgent]] = {}
        self._stamped: dict[str, dict[NamespacedName, KnownAgent]] = {}
        self._left: dict[NamespacedName, str] = {}
        self._policies: dict[str, tuple[SpawnPolicy, ...]] = {}
        self._by_key: dict[str, SpawnPolicy] = {}
        # Namespace -> key of a subject -> the policies that name it.
        self._naming: dict[str, dict[int, tuple[SpawnPolicy, ...]]] = {}
        for agent in agents:
            self.put(agent)
        places: dict[str, list[SpawnPolicy]] = defaultdict(list)
        for policy in policies:
            places[policy.namespace].append(policy)
        for namespace, there in places.items():
            self.set_policies(namespace, there)

    def put(self, agent: KnownAgent) -> None:
        """Add this agent, or replace the agent of the same name."""
        self.drop(agent.namespace, agent.name)
        place = NamespacedName(agent.namespace, agent.name)
        self._left.pop(NamespacedName(agent.namespace, agent.account), None)
        self._by_name[place] = agent
        self._by_uid[agent.uid] = agent
        self._agents.setdefault(NamespacedName(agent.namespace, agent.account), []).append(agent)
        if agent.stamped:
            self._stamped.setdefault(agent.policy, {})[place] = agent

    def drop(self, namespace: str, name: str) -> None:
        """Remove the agent of this name."""
        agent = self._by_name.pop(NamespacedName(namespace, name), None)
        if agent is None:
            return
        if agent.account != agent.name:
            # Its pods may run for a while longer. Their account differs from the agent's name, so
            # only this record connects them.
            self._left[NamespacedName(agent.namespace, agent.account)] = agent.name
            while len(self._left) > _MOST_LEFT:
                del self._left[next(iter(self._left))]
        if self._by_uid.get(agent.uid) is agent:
            del self._by_uid[agent.uid]
        place = NamespacedName(agent.namespace, agent.account)
        left = [one for one in self._agents[place] if one is not agent]
        if left:
            self._agents[place] = left
        else:
            del self._agents[place]
        if agent.stamped:
            under = self._stamped[agent.policy]
            under.pop(NamespacedName(namespace, name), None)
            if not under:
                del self._stamped[agent.policy]

    def set_policies(self, namespace: str, policies: Iterable[SpawnPolicy]) -> None:
        """Replace all policies of a namespace by these."""
        found = tuple(policies)
        before = self._policies.pop(namespace, ())
        naming = self._naming.setdefault(namespace, {})
        # Update only what changed: a namespace may have thousands of policies, and usually one changes.
        kept = {id(one) for one in found} & {id(one) for one in before}
        for policy in before:
            if id(policy) not in kept:
                del self._by_key[policy.key]
                for subject in policy.subject_keys:
                    naming[subject] = tuple(one for one in naming[subject] if one is not policy)
                    if not naming[subject]:
                        del naming[subject]
        for policy in found:
            if id(policy) not in kept:
                self._by_key[policy.key] = policy
                for subject in policy.subject_keys:
                    naming[subject] = (*naming.get(subject, ()), policy)
        if found:
            self._policies[namespace] = found
        else:
            del self._naming[namespace]

    def agents_as(self, namespace: str, account: str) -> Sequence[KnownAgent]:
        """The agents that run as this ServiceAccount."""
        return self._agents.get(NamespacedName(namespace, account), ())

    def has_agent(self, namespace: str, name: str) -> bool:
        """Whether an agent of this name is known."""
        return NamespacedName(namespace, name) in self._by_name

    def agent(self, namespace: str, name: str) -> KnownAgent | None:
        """The agent of this name."""
        return self._by_name.get(NamespacedName(namespace, name))

    def is_spawned(self, agent: KnownAgent) -> bool:
        """Whether the guard can have stamped this agent; see `origin.is_spawned`."""
        return is_spawned(agent, self._by_uid.get)

    def spawned(self, *policies: str) -> Iterator[KnownAgent]:
        """The agents that the guard can have stamped, limited to those of `policies` if any are given."""
        for key in policies or tuple(self._stamped):
            for agent in self._stamped.get(key, {}).values():
                if self.is_spawned(agent):
                    yield agent

    def counted(self, key: str) -> dict[str, KnownAgent]:
        """The agents, by `namespace/name`, that count for a policy even without a slot in its ledger."""
        policy = self.policy(key)
        return {
            agent.title: agent
            for agent in self._stamped.get(key, {}).values()
            if may_count(agent, key, policy, self._by_uid.get)
        }

    def under(self, key: str) -> dict[str, tuple[KnownAgent, bool]]:
        """The agents of a policy by `namespace/name`, and whether each counts even without a slot."""
        counted = self.counted(key)
        return {one.title: (one, one.title in counted) for one in self.spawned(key)}

    def stamped_policies(self) -> frozenset[str]:
        """The keys of all policies in the stamps of any agent, including forged stamps."""
        return frozenset(key for key in self._stamped if key)

    def naming(self, namespace: str, name: str) -> list[SpawnPolicy]:
        """The policies of a namespace that have a subject of this name."""
        naming = self._naming.get(namespace, {})
        keys = [subject_key(kind, name) for kind in ("Agent", "ServiceAccount")]
        return [one for key in keys for one in naming.get(key, ())]

    def left_by(self, namespace: str, account: str) -> str:
        """The removed Agent that ran as this account of another name, or "" if no such Agent is known."""
        return self._left.get(NamespacedName(namespace, account), "")

    def governing(self, subject: Subject) -> list[SpawnPolicy]:
        """The policies of a subject. A spawned agent has one: the policy that it was spawned under."""
        if subject.policy:
            found = self.policy(subject.policy)
            return [] if found is None else [found]
        naming = self._naming.get(subject.namespace, {})
        policies = [*naming.get(subject_key("ServiceAccount", subject.service_account), ())]
        if subject.agent:
            more = naming.get(subject_key("Agent", subject.agent), ())
            policies += [one for one in more if all(one is not it for it in policies)]
        return policies

    def policy(self, key: str) -> SpawnPolicy | None:
        """The policy of this key (`namespace/name`)."""
        return self._by_key.get(key)

    def policies_in(self, *namespaces: str) -> list[SpawnPolicy]:
        """The policies of some namespaces, each once."""
        return [one for place in dict.fromkeys(namespaces) for one in self._policies.get(place, ())]
