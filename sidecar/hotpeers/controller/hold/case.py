"""One held Deployment: asks its pods, and releases its hold."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from ...base.problems import Problem
from ...base.reasons import Reason
from ...hold.progress import Progress, Stand
from ...hold.reasons import HoldReason
from ...hold.secrets import SecretsError
from ...hold.state import Hold
from ...hold.workload import HeldDeployment
from ...kube.errors import ForbiddenError, KubeError
from ..election import LeaderClient
from ..reasons import ControllerReason
from .asking import Asking
from .releasing import End, release
from .sidecars import Sidecars
from .telling import Telling

_WAIT_SECONDS = 0.5
_ROLLING_SECONDS = 2.0
_LIVE_SECONDS = 60.0
_REST_SECONDS = 10.0
OVERDUE_SECONDS = 600.0
"""After so many seconds, and the time limit of the pods, a hold that is neither live nor released is
reported."""
_RIGHT = "see ClusterRole …-hold of k8s/rbac/controller.yaml"


@dataclass(frozen=True, slots=True)
class Means:
    """What all cases work with. `ack_seconds` is the time limit for a Ready pod."""

    writer: LeaderClient
    sidecars: Sidecars
    telling: Telling
    ack_seconds: float


class Case:
    """A held Deployment and the state of the work for it. A later hold of it is the same case.

    `live` is whether all pods have its configuration, and `asking` asks them. `news` is set when the
    Deployment has changed.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self.news = asyncio.Event()
        self.hold: Hold | None = None
        self.asking: Asking | None = None
        self.live = False
        self.problem: Problem | None = None
        self._uid = ""
        # Whether it was reported as overdue.
        self._overdue = False
        # The time since which its pods cannot be asked, because reads or writes fail.
        self._trouble_since: float | None = None

    def report_overdue(self, one: HeldDeployment | None) -> None:
        """Report a hold once if it is neither live nor released for too long. None: it has ended."""
        if self.live:
            self._overdue = False
        if one is None or one.owner is None or self.live or self._overdue:
            return
        seconds = age(one, time.time())
        if seconds > OVERDUE_SECONDS + self._means.ack_seconds:
            self._overdue = True
            why = f"{self.problem.reason.value}: {self.problem.message}" if self.problem else ""
            self._means.telling.overdue(one, seconds, why)

    async def look(self, one: HeldDeployment) -> float:
        """Reconcile one Deployment. Returns the seconds until the next time."""
        try:
            seconds = await self._act(one)
        except (KubeError, SecretsError, ExceptionGroup) as error:
            return await self._trouble(one, _first(error))
        self._trouble_since = None
        return seconds

    async def _act(self, one: HeldDeployment) -> float:
        hold = one.hold
        if one.owner is None:
            # The label was put on a Deployment that is not kagent's: do not change it.
            message = (
                "it is no Deployment of a kagent Agent: take away its label hotpeers.dev/held, and"
                " run kubectl rollout restart if its template has an older kagent.dev/config-hash"
            )
            self.problem = Problem(_where(one), ControllerReason.HOLD_UNREADABLE, message)
            return _LIVE_SECONDS
        if hold is None or hold.template != one.template:
            # The hold is unreadable, or the Deployment was rolled while the webhook was not called.
            if await release(self._means.writer, one, None) is End.DONE:
                self._means.telling.cleared(one, "overtaken")
            return _REST_SECONDS
        if (self.hold, self._uid) != (hold, one.uid):
            self.hold, self._uid, self.live = hold, one.uid, False
            self.asking = Asking(self._means.writer, self._means.sidecars, self._means.ack_seconds)
            if hold.wanted != hold.template:
                self._means.telling.held(one)
        if not one.follows or not one.runs:
            return await self._give_up(
                one, hold, HoldReason.ACK_MISSING, "no pod of it follows its configuration"
            )
        assert self.asking is not None, "it was just made"  # noqa: S101
        progress = await self.asking.look(one, hold)
        return await self._proceed(one, hold, progress)

    async def _proceed(self, one: HeldDeployment, hold: Hold, progress: Progress) -> float:
        if progress.stand is Stand.RELEASE and progress.reason is not None:
            return await self._give_up(one, hold, progress.reason, progress.message)
        self.problem = None
        if progress.stand is Stand.WAITING:
            return _ROLLING_SECONDS if one.rolling else _WAIT_SECONDS
        if hold.wanted == hold.template:
            if await release(self._means.writer, one, hold) is End.DONE:
                self._means.telling.cleared(one, "reverted")
            return _REST_SECONDS
        if not self.live:
            self.live = True
            self._means.telling.live(one)
        return _LIVE_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the checks over time

    async def _give_up(
        self, one: HeldDeployment, hold: Hold, reason: Reason, message: str
    ) -> float:
        self.live = False
        end = await release(self._means.writer, one, hold)
        if end is End.HELD_AGAIN:
            self.problem = Problem(
                _where(one),
                ControllerReason.HELD_AGAIN,
                "set HOTPEERS_ACCOUNT to the controller's user",
            )
            return _REST_SECONDS
        self.problem = None
        if end is End.OVERTAKEN:
            return _WAIT_SECONDS
        if hold.wanted == hold.template:
            self._means.telling.cleared(one, "reverted")
        else:
            self._means.telling.released(one, reason, message)
        return _REST_SECONDS

    async def _trouble(self, one: HeldDeployment, error: Exception) -> float:
        """Report a failed read or write. After `ack_seconds` of failures, release the hold.

        A hold whose pods were all live stays.
        """
        reason = (
            error.reason if isinstance(error, KubeError) else ControllerReason.SOURCES_UNREADABLE
        )
        todo = f"; {_RIGHT}" if isinstance(error, ForbiddenError) else ""
        message = f"{error}{todo}"
        self.problem = Problem(_where(one), reason, message)
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        hold = one.hold
        if now - self._trouble_since < self._means.ack_seconds or hold is None or one.owner is None:
            return _WAIT_SECONDS * 2
        if self.live:
            # All pods were live, and a failed read does not change that.
            return _REST_SECONDS
        try:
            return await self._give_up(one, hold, reason, message)
        except KubeError as failure:
            self.problem = Problem(_where(one), failure.reason, f"it cannot be released: {failure}")
            return _REST_SECONDS


def age(one: HeldDeployment, now: float) -> float:
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
