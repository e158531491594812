"""What every replica knows of the cluster: all SpawnPolicies and all Agents of kagent, as records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...follow.kind import Kind, Version
from ...follow.scope import Scope
from ...guard.governed import Account, governed_accounts
from ...guard.known import Known, KnownAgent, KnownPolicy, read_agent, read_known_policy
from ...guard.request import AGENT_GROUP, AGENT_RESOURCE, AGENT_VERSION
from ...kube.client import Client
from ...model.scope import State
from ...model.snapshot import Problem

# One that is being deleted still runs, and still governs.
AGENTS = Kind[KnownAgent](
    "Agent", AGENT_GROUP, AGENT_RESOURCE, (Version(AGENT_VERSION, read_agent),), lingers=True
)
POLICIES = Kind[KnownPolicy](
    "SpawnPolicy",
    "hotpeers.dev",
    "spawnpolicies",
    (Version("v1alpha1", read_known_policy),),
    lingers=True,
)


class Knowledge:
    """Follows both kinds. `agents` and `policies` hold the records; `known` looks them up."""

    def __init__(self, client: Client) -> None:
        self._listeners: list[Callable[[], None]] = []
        self._known = Known()
        self._is_known = True
        self._governed: frozenset[Account] | None = None
        self._agents = Scope(
            client, AGENTS, "", {}, changed=self._changed, restarted=lambda _: None
        )
        self._policies = Scope(
            client, POLICIES, "", {}, changed=self._changed, restarted=lambda _: None
        )

    @property
    def listed(self) -> bool:
        """Whether all agents and policies are known: what is not among them does not exist."""
        return self._agents.listed and self._policies.listed

    @property
    def unready(self) -> str:
        """Which of them are not known yet, and why; "" if none."""
        missing = [one for one in (self._policies, self._agents) if not one.listed]
        return "; ".join(
            f"{one.title} are not known yet{f': {one.problem}' if one.problem else ''}"
            for one in missing
        )

    @property
    def known(self) -> Known:
        """All of it, to be looked up."""
        if not self._is_known:
            self._is_known = True
            self._known.take_agents(self._agents.store.values())
            self._known.take_policies(one.policy for one in self._policies.store.values())
        return self._known

    def governed(self) -> frozenset[Account]:
        """The accounts whose requests the guard must be asked about."""
        if self._governed is None:
            policies = (one.policy for one in self.policies())
            self._governed = governed_accounts(policies, self.agents())
        return self._governed

    def fresh(self) -> bool:
        """Whether all of it is known as of now."""
        return self.listed and all(
            one.status().state in {State.FOLLOWING, State.NOT_INSTALLED}
            for one in (self._policies, self._agents)
        )

    def agents(self) -> list[KnownAgent]:
        """Every Agent."""
        return list(self._agents.store.values())

    def policies(self) -> list[KnownPolicy]:
        """Every SpawnPolicy, valid or not."""
        return list(self._policies.store.values())

    def problems(self) -> tuple[Problem, ...]:
        """Why something cannot be followed now."""
        scopes = (self._policies, self._agents)
        return tuple(one.problem for one in scopes if one.problem is not None)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this whenever something has changed."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Follow for ever."""
        async with asyncio.TaskGroup() as group:
            for scope in (self._policies, self._agents):
                group.create_task(scope.follow(), name=f"follow {scope.title}")

    def _changed(self) -> None:
        self._is_known, self._governed = False, None
        for listener in self._listeners:
            listener()
