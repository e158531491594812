"""Decides which spawned agents to delete, and why. Pure functions.

Agents without the guard's label and stamps are ignored. A stamp that cannot be read is reported as
a problem, and ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.stamps import ACCOUNT, EXPIRES, FORMAT, POLICY, SPAWNED, SPAWNED_BY, UID
from ..quota.ledger import DeletionPolicy
from ..reasons import ControllerReason

GONE_SECONDS = 60.0
"""How long a policy or an orchestrator must be gone, because it may be created again."""
_MAX_PROBLEMS = 100

"""Namespace and name."""


class Cause(StrEnum):
    """Why an agent ends: the reason in its Event and in the metric."""

    EXPIRED = "AgentExpired"
    POLICY_GONE = "PolicyGone"
    ORCHESTRATOR_GONE = "OrchestratorGone"


@dataclass(frozen=True, slots=True)
class Ending:
    """One agent to delete. `detail` is the cause as text for people."""

    agent: KnownAgent
    cause: Cause
    policy: str
    detail: str

    @property
    def title(self) -> str:
        """The agent, for people."""
        return f"{self.agent.namespace}/{self.agent.name}"


@dataclass(frozen=True, slots=True)
class Around:
    """The current facts besides the agents.

    `policies` are the existing ones. `deletion` has the last deletionPolicy of deleted policies, as
    far as it was read. `accounts` has the uids of ServiceAccounts that spawned agents: "" if the
    account was deleted, no entry if it was not read yet. `since` has the time at which a policy or
    orchestrator was first found to be gone.
    """

    policies: frozenset[str]
    deletion: Mapping[str, DeletionPolicy] = field(default_factory=dict)
    accounts: Mapping[NamespacedName, str] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndPlan:
    """The agents to delete, and when to plan again.

    `due` is the number of seconds until another agent may end; None means never. `ask` are
    policies whose deletionPolicy must be read, `look_at` ServiceAccounts that spawned agents.
    """

    endings: tuple[Ending, ...] = ()
    since: Mapping[str, float] = field(default_factory=dict)
    due: float | None = None
    ask: frozenset[str] = frozenset()
    look_at: frozenset[NamespacedName] = frozenset()
    problems: tuple[Problem, ...] = ()


def plan_ends(
    agents: Iterable[KnownAgent],
    around: Around,
    now: datetime,
    moment: float,
    gone_after: float = GONE_SECONDS,
) -> EndPlan:
    """Find the agents that end now. `moment` is the time of a monotonic clock, in seconds."""
    everyone = tuple(agents)
    planning = _Planning(around, frozenset(one.uid for one in everyone), now, moment, gone_after)
    for agent in everyone:
        stamps = agent.stamps
        if stamps.labels.get(SPAWNED) == "true" and not agent.ending:
            planning.add(agent, stamps.annotations)
    return EndPlan(
        tuple(planning.endings),
        planning.since,
        min(planning.times, default=None),
        frozenset(planning.ask),
        frozenset(planning.look_at),
        tuple(planning.problems),
    )


class _Planning:
    def __init__(
        self,
        around: Around,
        alive: frozenset[str],
        now: datetime,
        moment: float,
        gone_after: float,
    ) -> None:
        self._around = around
        self._alive = alive
        self._now = now
        self._moment = moment
        self._gone_after = gone_after
        self.endings: list[Ending] = []
        self.since: dict[str, float] = {}
        self.times: list[float] = []
        self.ask: set[str] = set()
        self.look_at: set[NamespacedName] = set()
        self.problems: list[Problem] = []

    def add(self, agent: KnownAgent, stamps: Mapping[str, str]) -> None:
        """Check one agent, and record the first cause that applies."""
        policy = _text(stamps, POLICY)
        for cause, detail in (
            (Cause.EXPIRED, self._expired(agent, _text(stamps, EXPIRES))),
            (Cause.POLICY_GONE, self._policy_gone(policy)),
            (Cause.ORCHESTRATOR_GONE, self._orchestrator_gone(stamps)),
        ):
            if detail:
                self.endings.append(Ending(agent, cause, policy, detail))
                return

    def _expired(self, agent: KnownAgent, text: str) -> str:
        expires = read_time(text)
        if expires is None:
            if len(self.problems) < _MAX_PROBLEMS:
                where = f"Agent/{agent.namespace}/{agent.name}"
                message = f"{EXPIRES} is {text[:40]!r}, no time such as 2026-01-31T12:00:00Z"
                self.problems.append(Problem(where, ControllerReason.STAMP_UNREADABLE, message))
            return ""
        left = (expires - self._now).total_seconds()
        if left <= 0:
            return f"its time ended at {text}"
        self.times.append(left)
        return ""

    def _policy_gone(self, policy: str) -> str:
        if not policy or policy in self._around.policies or not self._is_gone(policy_name(policy)):
            return ""
        what = self._around.deletion.get(policy)
        if what is None:
            self.ask.add(policy)
        return f"its SpawnPolicy {policy} is gone" if what == "Delete" else ""

    def _orchestrator_gone(self, stamps: Mapping[str, str]) -> str:
        uid, agent = _text(stamps, UID), _text(stamps, SPAWNED_BY)
        if not uid:
            return ""
        if agent:
            if uid in self._alive or not self._is_gone(agent_name(uid)):
                return ""
            return f"its orchestrator {agent} is gone"
        namespace, _, name = _text(stamps, ACCOUNT).partition("/")
        if not namespace or not name:
            return ""
        account = NamespacedName(namespace, name)
        self.look_at.add(account)
        found = self._around.accounts.get(account)
        if found is None or found == uid or not self._is_gone(f"account {uid}"):
            return ""
        return f"the ServiceAccount {account} that spawned it is gone"

    def _is_gone(self, what: str) -> bool:
        """Whether a missing object has been gone for long enough."""
        since = self.since[what] = self._around.since.get(what, self._moment)
        left = since + self._gone_after - self._moment
        if left > 0:
            self.times.append(left)
        return left <= 0


def policy_name(key: str) -> str:
    """The key of a policy in `since`."""
    return f"policy {key}"


def agent_name(uid: str) -> str:
    """The key of an orchestrator in `since`."""
    return f"agent {uid}"


@lru_cache(maxsize=8192)
def read_time(text: str) -> datetime | None:
    """The time of a stamp; None if it is not exactly in the format that the guard writes."""
    try:
        found = datetime.strptime(text, FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if found.strftime(FORMAT) == text else None


def _text(stamps: Mapping[str, str], key: str) -> str:
    found = stamps.get(key)
    return found if isinstance(found, str) else ""
