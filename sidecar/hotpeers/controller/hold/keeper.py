"""Reconciles held Deployments while this replica leads: asks their pods, and releases holds.

All state is on the Deployments, so that a new leader can continue. Only the time limits of the pods
start again with a new leader.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...base.reasons import Reason
from ...hold.names import HELD_LABEL
from ...hold.progress import Progress, Stand
from ...hold.reasons import HoldReason
from ...hold.repay import Debt
from ...hold.secrets import SecretsError
from ...hold.state import Hold
from ...hold.workload import HeldDeployment, read_deployment
from ...kube.client import Client
from ...kube.errors import ForbiddenError, KubeError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ..election import LeaderClient
from ..reasons import ControllerReason
from .asking import Asking
from .releasing import End, release
from .sidecars import Sidecars
from .telling import Telling

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 0.5
_ROLLING_SECONDS = 2.0
_LIVE_SECONDS = 60.0
_REST_SECONDS = 10.0
_GATHER_SECONDS = 0.02
_AT_ONCE = 8
_MOST_SHOWN = 200
OVERDUE_SECONDS = 600.0
"""After so many seconds, and the time limit of the pods, a hold that is neither live nor released is
reported."""
_RIGHT = "see ClusterRole …-hold of k8s/rbac/controller.yaml"


_DEPLOYMENT = Kind[HeldDeployment](
    "Deployment", "apps", "deployments", (Version("v1", read_deployment),)
)


@dataclass(slots=True)
class _Case:
    """One held Deployment: its task, and the state of that task."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    hold: Hold | None = None
    uid: str = ""
    asking: Asking | None = None
    live: bool = False
    overdue: bool = False
    """Whether it was reported as overdue."""
    problem: Problem | None = None
    trouble_since: float | None = None
    """The time since which its pods cannot be asked, because reads or writes fail."""


class Keeper:
    """The held Deployments of a cluster. `ack_seconds` is the time limit for a Ready pod."""

    def __init__(
        self,
        client: Client,
        writer: LeaderClient,
        sidecars: Sidecars,
        telling: Telling,
        ack_seconds: float,
    ) -> None:
        self._writer = writer
        self._sidecars = sidecars
        self._telling = telling
        self._ack_seconds = ack_seconds
        self._cases: dict[NamespacedName, _Case] = {}
        self._news = asyncio.Event()
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._scope = Scope(
            client,
            _DEPLOYMENT,
            "",
            {"labelSelector": f"{HELD_LABEL}=true"},
            changed=self._news.set,
            restarted=lambda _: None,
            noted=self._note,
        )

    @property
    def count(self) -> int:
        """The number of held Deployments."""
        return len(self._scope.store)

    @property
    def waiting_seconds(self) -> float:
        """The longest time for which a hold is neither live nor released; 0 without such a hold."""
        now = time.time()
        return max((_age(one, now) for one in self._waiting()), default=0.0)

    def _waiting(self) -> Iterator[HeldDeployment]:
        for one in self._scope.store.values():
            case = self._cases.get(one.key)
            if one.owner is not None and not (case is not None and case.live):
                yield one

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        unread = [self._scope.problem] if self._scope.problem is not None else []
        return (*unread, *(one.problem for one in self._cases.values() if one.problem is not None))

    def document(self) -> list[dict[str, Any]]:
        """The held Deployments, for the status document."""
        found = []
        for one in list(self._scope.store.values())[:_MOST_SHOWN]:
            case = self._cases.get(one.key, _Case())
            hold = one.hold or Hold("", "")
            asking = case.asking
            found.append(
                {
                    "namespace": one.namespace,
                    "name": one.name,
                    "wanted": hold.wanted,
                    "template": hold.template,
                    "since": hold.since or None,
                    "state": "live" if case.live else "rolling" if one.rolling else "waiting",
                    "pods": dict(asking.summary) if asking is not None else {},
                }
            )
        return found

    def debts(self) -> list[Debt]:
        """Deployments without a rollout whose pods all have the configuration kagent wants."""
        return [
            Debt(one.namespace, one.name, one.hold.since)
            for one in self._scope.store.values()
            if one.hold is not None
            and not one.rolling
            and (case := self._cases.get(one.key)) is not None
            and case.live
            and case.hold == one.hold
        ]

    async def idle(self, key: NamespacedName) -> list[float | None]:
        """The seconds for which each pod of a debt has been idle. Raises `KubeError`."""
        one, case = self._find(key), self._cases.get(key)
        if one is None or one.hold is None or case is None or case.asking is None:
            return []
        return await case.asking.idle(one, one.hold)

    async def repay(self, key: NamespacedName) -> bool:
        """Roll the Deployment of a debt. Returns whether it rolls. Raises `KubeError`."""
        one = self._find(key)
        if one is None or one.hold is None:
            return False
        if await release(self._writer, one, one.hold) is not End.DONE:
            return False
        self._telling.repaid(one)
        return True

    async def run(self) -> None:
        """Reconcile until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scope.follow(), name=f"follow {self._scope.title}")
            group.create_task(self._dispatch(group), name="held Deployments")

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        """Start one task for each held Deployment."""
        while True:
            await self._news.wait()
            self._news.clear()
            for key in {one.key for one in self._scope.store.values()} - self._cases.keys():
                case = self._cases[key] = _Case()
                case.task = group.create_task(self._follow(key, case), name="held Deployment")

    def _note(self, before: HeldDeployment | None, after: HeldDeployment | None) -> None:
        one = after or before
        assert one is not None, "one of both is there"  # noqa: S101
        case = self._cases.get(one.key)
        if case is not None:
            case.news.set()

    def _find(self, key: NamespacedName) -> HeldDeployment | None:
        return next((one for one in self._scope.store.values() if one.key == key), None)

    async def _follow(self, key: NamespacedName, case: _Case) -> None:
        try:
            while (one := self._find(key)) is not None:
                case.news.clear()
                async with self._free:
                    seconds = await self._look(one, case)
                self._report_overdue(one, case)
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await case.news.wait()
                await asyncio.sleep(_GATHER_SECONDS)
        finally:
            self._cases.pop(key, None)
            # The Deployment may have been held again in the meantime.
            self._news.set()

    def _report_overdue(self, one: HeldDeployment, case: _Case) -> None:
        """Report a hold once if it is neither live nor released for too long."""
        if case.live:
            case.overdue = False
        # An earlier hold of the Deployment may have ended meanwhile, so read it again.
        found = self._find(one.key)
        if found is None or found.owner is None or case.live or case.overdue:
            return
        seconds = _age(found, time.time())
        if seconds > OVERDUE_SECONDS + self._ack_seconds:
            case.overdue = True
            why = f"{case.problem.reason.value}: {case.problem.message}" if case.problem else ""
            self._telling.overdue(found, seconds, why)

    async def _look(self, one: HeldDeployment, case: _Case) -> float:
        """Reconcile one Deployment. Returns the seconds until the next time."""
        try:
            seconds = await self._act(one, case)
        except (KubeError, SecretsError, ExceptionGroup) as error:
            return await self._trouble(one, case, _first(error))
        case.trouble_since = None
        return seconds

    async def _act(self, one: HeldDeployment, case: _Case) -> float:
        hold = one.hold
        if one.owner is None:
            # The label was put on a Deployment that is not kagent's: do not change it.
            message = (
                "it is no Deployment of a kagent Agent: take away its label hotpeers.dev/held, and"
                " run kubectl rollout restart if its template has an older kagent.dev/config-hash"
            )
            case.problem = Problem(_where(one), ControllerReason.HOLD_UNREADABLE, message)
            return _LIVE_SECONDS
        if hold is None or hold.template != one.template:
            # The hold is unreadable, or the Deployment was rolled while the webhook was not called.
            if await release(self._writer, one, None) is End.DONE:
                self._telling.cleared(one, "overtaken")
            return _REST_SECONDS
        if (case.hold, case.uid) != (hold, one.uid):
            case.hold, case.uid, case.live = hold, one.uid, False
            case.asking = Asking(self._writer, self._sidecars, self._ack_seconds)
            if hold.wanted != hold.template:
                self._telling.held(one)
        if not one.follows or not one.runs:
            return await self._give_up(
                one, hold, case, HoldReason.ACK_MISSING, "no pod of it follows its configuration"
            )
        assert case.asking is not None, "it was just made"  # noqa: S101
        progress = await case.asking.look(one, hold)
        return await self._proceed(one, hold, case, progress)

    async def _proceed(
        self, one: HeldDeployment, hold: Hold, case: _Case, progress: Progress
    ) -> float:
        if progress.stand is Stand.RELEASE and progress.reason is not None:
            return await self._give_up(one, hold, case, progress.reason, progress.message)
        case.problem = None
        if progress.stand is Stand.WAITING:
            return _ROLLING_SECONDS if one.rolling else _WAIT_SECONDS
        if hold.wanted == hold.template:
            if await release(self._writer, one, hold) is End.DONE:
                self._telling.cleared(one, "reverted")
            return _REST_SECONDS
        if not case.live:
            case.live = True
            self._telling.live(one)
        return _LIVE_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the checks over time

    async def _give_up(
        self, one: HeldDeployment, hold: Hold, case: _Case, reason: Reason, message: str
    ) -> float:
        case.live = False
        end = await release(self._writer, one, hold)
        if end is End.HELD_AGAIN:
            case.problem = Problem(
                _where(one),
                ControllerReason.HELD_AGAIN,
                "set HOTPEERS_ACCOUNT to the controller's user",
            )
            return _REST_SECONDS
        case.problem = None
        if end is End.OVERTAKEN:
            return _WAIT_SECONDS
        if hold.wanted == hold.template:
            self._telling.cleared(one, "reverted")
        else:
            self._telling.released(one, reason, message)
        return _REST_SECONDS

    async def _trouble(self, one: HeldDeployment, case: _Case, error: Exception) -> float:
        """Report a failed read or write. After `ack_seconds` of failures, release the hold.

        A hold whose pods were all live stays.
        """
        reason = (
            error.reason if isinstance(error, KubeError) else ControllerReason.SOURCES_UNREADABLE
        )
        todo = f"; {_RIGHT}" if isinstance(error, ForbiddenError) else ""
        message = f"{error}{todo}"
        case.problem = Problem(_where(one), reason, message)
        now = time.monotonic()
        if case.trouble_since is None:
            case.trouble_since = now
        hold = one.hold
        if now - case.trouble_since < self._ack_seconds or hold is None or one.owner is None:
            return _WAIT_SECONDS * 2
        if case.live:
            # All pods were live, and a failed read does not change that.
            return _REST_SECONDS
        try:
            return await self._give_up(one, hold, case, reason, message)
        except KubeError as failure:
            case.problem = Problem(_where(one), failure.reason, f"it cannot be released: {failure}")
            return _REST_SECONDS


def _age(one: HeldDeployment, now: float) -> float:
    """The seconds since a Deployment is held; 0 if that is unknown, or in the future."""
    return max(now - one.hold.since, 0.0) if one.hold is not None and one.hold.since else 0.0


def _where(one: HeldDeployment) -> str:
    return f"Deployment/{one.title}"


def _first(error: Exception) -> Exception:
    """The error, or the first one of a group. Raises a group that contains any other error."""
    if isinstance(error, ExceptionGroup):
        found, others = error.split((KubeError, SecretsError))
        if others is not None or found is None:
            raise error
        return _first(found.exceptions[0])
    return error
