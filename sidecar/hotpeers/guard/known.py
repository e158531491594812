"""What is known of a cluster's agents and policies, as small records, and looked up by account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .read import read_leniently
from .spawn_policy import SpawnPolicy
from .stamps import POLICY, SPAWNED, Stamps, part, stamps_of


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """One Agent of kagent. `account` is the name of the ServiceAccount that it runs as."""

    namespace: str
    name: str
    uid: str
    account: str
    stamps: Stamps
    ending: bool = False

    @property
    def spawned(self) -> bool:
        """Whether the guard stamped it, also where somebody took a part of the stamps away."""
        found = self.stamps
        return found.labels.get(SPAWNED) == "true" or POLICY in found.annotations


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """One SpawnPolicy. `findings` says what is wrong with it: the path of each field, and what.

    `status` is what was told of it last.
    """

    policy: SpawnPolicy
    uid: str
    generation: int = 0
    findings: tuple[tuple[str, str], ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return self.policy.key


def read_agent(data: Any) -> KnownAgent:
    """The record of an Agent as the API server has it."""
    metadata, spec = part(data, "metadata"), part(data, "spec")
    name = str(metadata.get("name") or "")
    block = part(spec, "byo" if spec.get("type") == "BYO" else "declarative")
    account = part(block, "deployment").get("serviceAccountName")
    return KnownAgent(
        namespace=str(metadata.get("namespace") or ""),
        name=name,
        uid=str(metadata.get("uid") or ""),
        account=account if isinstance(account, str) and account else name,
        stamps=stamps_of(data),
        ending=bool(metadata.get("deletionTimestamp")),
    )


def read_known_policy(data: Any) -> KnownPolicy:
    """The record of a SpawnPolicy as the API server has it, whether or not it is valid."""
    metadata = part(data, "metadata")
    policy, findings = read_leniently(data)
    generation = metadata.get("generation")
    return KnownPolicy(
        policy=policy,
        uid=str(metadata.get("uid") or ""),
        generation=generation if isinstance(generation, int) else 0,
        findings=findings,
        status=part(data, "status"),
    )


class Known:
    """Agents by account, policies by namespace: what a lookup costs does not grow with the cluster."""

    def __init__(
        self, agents: Iterable[KnownAgent] = (), policies: Iterable[SpawnPolicy] = ()
    ) -> None:
        self._by_name: dict[tuple[str, str], KnownAgent] = {}
        self._agents: dict[tuple[str, str], list[KnownAgent]] = defaultdict(list)
        self._spawned: dict[str, set[str]] = defaultdict(set)
        self._policies: dict[str, list[SpawnPolicy]] = {}
        self.take_agents(agents)
        self.take_policies(policies)

    def take_agents(self, agents: Iterable[KnownAgent]) -> None:
        """Know these agents, and no others; only what is another than before costs anything."""
        now = {(one.namespace, one.name): one for one in agents}
        for name in self._by_name.keys() - now.keys():
            self._drop(self._by_name.pop(name))
        for name, agent in now.items():
            before = self._by_name.get(name)
            if before is agent:
                continue
            if before is not None:
                self._drop(before)
            self._by_name[name] = agent
            self._agents[agent.namespace, agent.account].append(agent)
            if (key := _policy_of(agent)) is not None:
                self._spawned[key].add(f"{agent.namespace}/{agent.name}")

    def take_policies(self, policies: Iterable[SpawnPolicy]) -> None:
        """Know these policies, and no others."""
        found: dict[str, list[SpawnPolicy]] = defaultdict(list)
        for policy in policies:
            found[policy.namespace].append(policy)
        self._policies = dict(found)

    def _drop(self, agent: KnownAgent) -> None:
        place = agent.namespace, agent.account
        self._agents[place] = [one for one in self._agents[place] if one is not agent]
        if not self._agents[place]:
            del self._agents[place]
        if (key := _policy_of(agent)) is not None:
            self._spawned[key].discard(f"{agent.namespace}/{agent.name}")
            if not self._spawned[key]:
                del self._spawned[key]

    def agents_as(self, namespace: str, account: str) -> Sequence[KnownAgent]:
        """The agents that run as this ServiceAccount."""
        return self._agents.get((namespace, account), ())

    def has_agent(self, namespace: str, name: str) -> bool:
        """Whether there is an agent of this name."""
        return (namespace, name) in self._by_name

    def spawned_under(self, key: str) -> frozenset[str]:
        """The agents that carry the stamp of this policy, as `namespace/name`."""
        return frozenset(self._spawned.get(key, ()))

    def policy(self, key: str) -> SpawnPolicy | None:
        """The policy of this key (`namespace/name`)."""
        there = self._policies.get(key.partition("/")[0], ())
        return next((one for one in there if one.key == key), None)

    def policies_in(self, *namespaces: str) -> list[SpawnPolicy]:
        """The policies of some namespaces, each once."""
        return [one for place in dict.fromkeys(namespaces) for one in self._policies.get(place, ())]


def _policy_of(agent: KnownAgent) -> str | None:
    key = agent.stamps.annotations.get(POLICY)
    return key if isinstance(key, str) else None
