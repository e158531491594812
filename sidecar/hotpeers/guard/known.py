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
        self._agents: dict[tuple[str, str], list[KnownAgent]] = defaultdict(list)
        self._spawned: dict[str, list[str]] = defaultdict(list)
        self._names: set[tuple[str, str]] = set()
        for agent in agents:
            self._names.add((agent.namespace, agent.name))
            self._agents[agent.namespace, agent.account].append(agent)
            if POLICY in agent.stamps.annotations:
                key = str(agent.stamps.annotations[POLICY])
                self._spawned[key].append(f"{agent.namespace}/{agent.name}")
        self._policies: dict[str, list[SpawnPolicy]] = defaultdict(list)
        for policy in policies:
            self._policies[policy.namespace].append(policy)

    def agents_as(self, namespace: str, account: str) -> Sequence[KnownAgent]:
        """The agents that run as this ServiceAccount."""
        return self._agents.get((namespace, account), ())

    def has_agent(self, namespace: str, name: str) -> bool:
        """Whether there is an agent of this name."""
        return (namespace, name) in self._names

    def spawned_under(self, key: str) -> Sequence[str]:
        """The agents that carry the stamp of this policy, as `namespace/name`."""
        return self._spawned.get(key, ())

    def policy(self, key: str) -> SpawnPolicy | None:
        """The policy of this key (`namespace/name`)."""
        there = self._policies.get(key.partition("/")[0], ())
        return next((one for one in there if one.key == key), None)

    def policies_in(self, *namespaces: str) -> list[SpawnPolicy]:
        """The policies of some namespaces, each once."""
        return [one for place in dict.fromkeys(namespaces) for one in self._policies.get(place, ())]
