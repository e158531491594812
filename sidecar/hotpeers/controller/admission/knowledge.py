"""The watch cache of each replica: records of all SpawnPolicies and all Agents of kagent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import zip_longest

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...base.scope import State
from ...kube.client import Client
from ...kube.errors import KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ...spawnpolicy.governed import WHOLE, Account, fitted, governed_accounts, is_account
from ...spawnpolicy.known import Known, KnownPolicy, read_agent, read_known_policy
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.request import AGENT_GROUP, AGENT_RESOURCE, AGENT_VERSION
from ...spawnpolicy.tenancy import Served, TenantLimits, is_beyond, served
from ..lifecycle.departures import Departures

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0

# Keep objects during their deletion: the agent still runs, and the policy still governs.
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
    """Watches both kinds. `agents` and `policies` return the records; `known` is the index.

    `departures` has the spawned agents that were deleted. `limits` apply to each namespace.
    """

    def __init__(self, client: Client, limits: TenantLimits | None = None) -> None:
        self._client = client
        self._limits = limits or TenantLimits()
        self._stale: set[str] = set()
        self._stale_news = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._known = Known()
        self.departures = Departures()
        self._there: dict[str, dict[str, KnownPolicy]] = {}
        self._served: dict[str, dict[str, Served]] = {}
        # Namespaces to recompute: their policies, and the accounts that these govern.
        self._changed_policies: set[str] = set()
        self._changed_places: set[str] = set()
        self._subjects: dict[str, frozenset[Account]] = {}
        self._governed: frozenset[Account] | None = None
        self._agents = Scope(
            client,
            AGENTS,
            "",
            {},
            changed=self._changed,
            restarted=lambda _: None,
            noted=self._note_agent,
        )
        self._policies = Scope(
            client,
            POLICIES,
            "",
            {},
            changed=self._changed,
            restarted=lambda _: None,
            noted=self._note_policy,
        )

    @property
    def listed(self) -> bool:
        """Whether both lists were read completely, so that a missing object does not exist."""
        return self._agents.listed and self._policies.listed

    @property
    def unready(self) -> str:
        """The kinds that were not listed yet, and why; "" if both were."""
        missing = [one for one in (self._policies, self._agents) if not one.listed]
        return "; ".join(
            f"{one.title} are not known yet{f': {one.problem}' if one.problem else ''}"
            for one in missing
        )

    @property
    def known(self) -> Known:
        """The index of all records."""
        self._serve()
        return self._known

    def governed(self) -> frozenset[Account]:
        """The accounts whose requests the API server must send to the guard."""
        self._serve()
        if self._governed is None:
            for place in self._changed_places:
                self._subjects[place] = self._subjects_of(place)
                if not self._subjects[place]:
                    del self._subjects[place]
            self._changed_places.clear()
            spawned = {NamespacedName(one.namespace, one.name) for one in self._known.spawned()}
            accounts = frozenset(one for one in spawned if is_account(one))
            self._governed = fitted(accounts.union(*self._subjects.values()))
        return self._governed

    def fresh(self) -> bool:
        """Whether the records are current: both watches are connected, or the CRD is missing."""
        return self.listed and all(
            one.status().state in {State.FOLLOWING, State.NOT_INSTALLED}
            for one in (self._policies, self._agents)
        )

    def agents(self) -> list[KnownAgent]:
        """Every Agent."""
        return list(self._agents.store.values())

    def policies(self) -> list[KnownPolicy]:
        """Every SpawnPolicy, valid or not.

        The order takes one policy of each namespace in turn, so that a namespace with many
        policies does not delay the others.
        """
        self._serve()
        columns = zip_longest(*(there.values() for there in self._served.values()))
        return [one.policy for column in columns for one in column if one is not None]

    def uid_of(self, key: str) -> str:
        """The uid of a SpawnPolicy; "" if it does not exist."""
        self._serve()
        found = self._served.get(key.partition("/")[0], {}).get(key)
        return found.policy.uid if found is not None else ""

    def problems(self) -> tuple[Problem, ...]:
        """The problems of the watches."""
        scopes = (self._policies, self._agents)
        return tuple(one.problem for one in scopes if one.problem is not None)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change of a record."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in (self._policies, self._agents):
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._read_stale(), name="read SpawnPolicies again")

    def _subjects_of(self, place: str) -> frozenset[Account]:
        """The accounts that the policies of a namespace govern, without spawned agents."""
        policies = [one.policy for one in self._served.get(place, {}).values()]
        if any(is_beyond(one) for one in policies):
            # Policies beyond the limits may name any number of subjects. All of their subjects are
            # denied too, so match the whole namespace.
            return frozenset([NamespacedName(place, WHOLE)])
        named = {ref.name for one in policies for ref in one.policy.spec.subjects}
        agents = (self._known.agent(place, name) for name in named)
        return governed_accounts((one.policy for one in policies), (one for one in agents if one))

    def _serve(self) -> None:
        for place in self._changed_policies:
            there = self._there.get(place)
            if there:
                before = self._served.get(place, {})
                self._served[place] = served(there.values(), self._limits, before)
                self._reduce(place, there)
            else:
                self._there.pop(place, None)
                self._served.pop(place, None)
            found = self._served.get(place, {}).values()
            self._known.set_policies(place, (one.policy.policy for one in found))
        self._changed_policies.clear()

    def _reduce(self, place: str, there: dict[str, KnownPolicy]) -> None:
        """Keep only a reduced record of unserved policies, and note those to read again."""
        for key, one in self._served[place].items():
            if one.policy is not there[key]:
                there[key] = one.policy
                self._policies.store.keep_as(
                    NamespacedName(place, one.policy.policy.name), one.policy
                )
            if one.stale:
                self._stale.add(key)
                self._stale_news.set()

    async def _read_stale(self) -> None:
        """Read policies again that are within the limits now. Until then they stay unserved."""
        version = POLICIES.versions[0]
        while True:
            await self._stale_news.wait()
            self._stale_news.clear()
            stale, self._stale = self._stale, set()
            for key in stale:
                place, _, name = key.partition("/")
                try:
                    data = await self._client.get(f"{POLICIES.path(version, place)}/{name}")
                except NotFoundError:
                    continue  # the watch will report the deletion
                except KubeError as error:
                    logger.warning("SpawnPolicy/%s: cannot be read again: %s", key, error)
                    self._stale.add(key)
                    continue
                if self._policies.store.put(data, version.read, anew=True):
                    self._changed()
            if self._stale:
                await asyncio.sleep(_RETRY_SECONDS)
                self._stale_news.set()

    def _note_agent(self, before: KnownAgent | None, after: KnownAgent | None) -> None:
        gone = before is not None and (after is None or after.uid != before.uid)
        if before is not None and gone and self._known.is_spawned(before):
            self.departures.note(before)
        if after is not None:
            self._known.put(after)
        elif before is not None:
            self._known.drop(before.namespace, before.name)
        for one in (before, after):
            if one is not None:
                self._changed_places.add(one.namespace)

    def _note_policy(self, before: KnownPolicy | None, after: KnownPolicy | None) -> None:
        one = after or before
        assert one is not None, "one of both is there"  # noqa: S101
        place = one.policy.namespace
        there = self._there.setdefault(place, {})
        there.pop(one.key, None)
        if after is not None:
            there[after.key] = after
        self._changed_policies.add(place)
        self._changed_places.add(place)

    def _changed(self) -> None:
        self._governed = None
        for listener in self._listeners:
            listener()
