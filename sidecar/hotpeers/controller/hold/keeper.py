"""Works on all held Deployments while this replica leads, one task for each.

All state is on the Deployments, so that a new leader can continue. Only the time limits of the pods
start again with a new leader.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...hold.names import HELD_LABEL
from ...hold.repay import Debt
from ...hold.state import Hold
from ...hold.workload import HeldDeployment, read_deployment
from ...kube.client import Client
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ..election import LeaderClient
from .case import Case, Means, age
from .releasing import End, release
from .sidecars import Sidecars
from .telling import Telling

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 0.02
_AT_ONCE = 8
_MOST_SHOWN = 200

_DEPLOYMENT = Kind[HeldDeployment](
    "Deployment", "apps", "deployments", (Version("v1", read_deployment),)
)


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
        self._means = Means(writer, sidecars, telling, ack_seconds)
        self._cases: dict[NamespacedName, Case] = {}
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
        return max((age(one, now) for one in self._waiting()), default=0.0)

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
            case = self._cases.get(one.key)
            hold = one.hold or Hold("", "")
            live, asking = (case.live, case.asking) if case is not None else (False, None)
            found.append(
                {
                    "namespace": one.namespace,
                    "name": one.name,
                    "wanted": hold.wanted,
                    "template": hold.template,
                    "since": hold.since or None,
                    "state": "live" if live else "rolling" if one.rolling else "waiting",
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
        if await release(self._means.writer, one, one.hold) is not End.DONE:
            return False
        self._means.telling.repaid(one)
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
                case = self._cases[key] = Case(self._means)
                group.create_task(self._follow(key, case), name="held Deployment")

    def _note(self, before: HeldDeployment | None, after: HeldDeployment | None) -> None:
        one = after or before
        assert one is not None, "one of both is there"  # noqa: S101
        case = self._cases.get(one.key)
        if case is not None:
            case.news.set()

    def _find(self, key: NamespacedName) -> HeldDeployment | None:
        return next((one for one in self._scope.store.values() if one.key == key), None)

    async def _follow(self, key: NamespacedName, case: Case) -> None:
        try:
            while (one := self._find(key)) is not None:
                case.news.clear()
                async with self._free:
                    seconds = await case.look(one)
                # An earlier hold of the Deployment may have ended meanwhile, so read it again.
                case.report_overdue(self._find(key))
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await case.news.wait()
                await asyncio.sleep(_GATHER_SECONDS)
        finally:
            self._cases.pop(key, None)
            # The Deployment may have been held again in the meantime.
            self._news.set()
