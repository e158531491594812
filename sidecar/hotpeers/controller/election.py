"""Leader election by a Lease: only one replica does the work that must be done once.

The protocol is that of client-go, so that people and other programs can read the Lease: the leader
is the replica that renewed it within its duration. A leader stops `renew` seconds after its last
renewal, which is before another replica may begin.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ..base.problems import Problem
from ..kube.client import Body, Client
from ..kube.errors import ConflictError, KubeError, NotFoundError
from ..kube.reasons import KubeReason

logger = logging.getLogger(__name__)

_RELEASE_SECONDS = 2.0

Work = Callable[[], Coroutine[Any, Any, None]]


class NotLeadingError(Exception):
    """A write that only the leader may do was not done: this replica no longer leads."""


@dataclass(frozen=True, slots=True)
class Pace:
    """All values are in seconds.

    `duration`: how long other replicas wait for a silent leader. `renew`: how long a leader
    continues if it cannot renew. `retry`: the pause between two tries.
    """

    duration: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


@dataclass(slots=True)
class _Observed:
    """The last seen version of the Lease. `since` is when it was first seen (monotonic)."""

    version: str
    holder: str
    duration: float
    since: float


class Election:
    """One candidate for one Lease.

    `identity` names the candidate for people. A random suffix is added, so that two processes never
    have the same identity.
    """

    def __init__(
        self, client: Client, namespace: str, name: str, identity: str, pace: Pace | None = None
    ) -> None:
        self._client = client
        self._list = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._list}/{name}"
        self._title = f"Lease/{namespace}/{name}"
        self._name = name
        self.identity = f"{identity[:200]}_{uuid4().hex[:8]}"
        self._pace = pace or Pace()
        self._observed: _Observed | None = None
        self._lease: dict[str, Any] = {}
        self._leads_until = 0.0
        self._failure: Problem | None = None

    @property
    def leading(self) -> bool:
        """Whether this replica leads now. Then, by the clocks of both, no other replica does."""
        return time.monotonic() < self._leads_until

    @property
    def holder(self) -> str:
        """The holder in the last seen Lease; "" if it has none."""
        return self._observed.holder if self._observed else ""

    def problems(self) -> tuple[Problem, ...]:
        """Why this candidate cannot take part; empty if it can."""
        return (self._failure,) if self._failure else ()

    async def run(self, work: Work) -> None:
        """Wait for leadership, run `work` while leading, and stop it on loss; repeat.

        `work` must never return. Its errors are raised. On cancellation, the Lease is released.
        """
        try:
            while True:
                await self._acquire()
                logger.info("leading: %s is held by %s", self._title, self.identity)
                await self._lead(work)
                logger.warning("not leading any more: %s was not renewed", self._title)
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._jittered())

    async def _lead(self, work: Work) -> None:
        working = asyncio.create_task(work(), name="the leader's work")
        renewing = asyncio.create_task(self._keep(), name="renew the lease")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                _end_of(working)
            else:
                renewing.result()
            self._leads_until = 0.0
        finally:
            for task in (working, renewing):
                task.cancel()
            # Stop the work first: another replica may begin `duration - renew` seconds from now.
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def _keep(self) -> None:
        """Renew until that fails for too long, or another replica holds the Lease."""
        while self.leading:
            await asyncio.sleep(min(self._jittered(), max(self._leads_until - time.monotonic(), 0)))
            while self.leading and not await self._try():
                if self.holder != self.identity:
                    return
                left = self._leads_until - time.monotonic()
                await asyncio.sleep(min(self._jittered() / 4, max(left, 0.0)))

    async def _try(self) -> bool:
        """Try to take or renew the Lease. False if another holds it, or the write fails."""
        began = time.monotonic()
        try:
            # A leader must give up in time, even if the API server is slow.
            bound = self._leads_until - began if self.leading else self._pace.renew
            async with asyncio.timeout(max(bound, 0.0)):
                if not await self._write(began):
                    self._failure = None
                    return False
        except TimeoutError:
            self._lease = {}
            self._failure = Problem(self._title, KubeReason.API_UNREACHABLE, "no answer in time")
            return False
        except ConflictError:
            # Another replica was quicker. The next try reads the new holder.
            self._lease = {}
            return False
        except KubeError as error:
            self._lease = {}
            self._failure = Problem(self._title, error.reason, str(error))
            return False
        self._failure = None
        # Count from before the request: other replicas count from when they see it, which is later.
        self._leads_until = began + self._pace.renew
        return True

    async def _write(self, began: float) -> bool:
        """Take or renew the Lease. False if another replica holds it. Raises `KubeError`."""
        if not (self.leading and self._lease):
            try:
                self._observe(await self._client.get(self._path))
            except NotFoundError:
                self._observe(await self._client.post(self._list, self._wanted({}, began)))
                return True
        if self._held_by_another(began):
            return False
        self._observe(await self._client.put(self._path, self._wanted(self._lease, began)))
        return True

    def _held_by_another(self, now: float) -> bool:
        seen = self._observed
        if seen is None or seen.holder in ("", self.identity):
            return False
        return now < seen.since + seen.duration

    def _observe(self, lease: Any) -> None:
        self._lease = lease if isinstance(lease, dict) else {}
        version = str(_mapping(self._lease.get("metadata")).get("resourceVersion") or "")
        if self._observed is not None and self._observed.version == version:
            return
        spec = _mapping(self._lease.get("spec"))
        seconds = spec.get("leaseDurationSeconds")
        duration = float(seconds) if isinstance(seconds, int) else self._pace.duration
        holder = str(spec.get("holderIdentity") or "")
        if holder not in (self.holder, self.identity, ""):
            logger.info("%s is held by %s", self._title, holder)
        # Use our own clock, not the time that the holder wrote, because clocks differ.
        self._observed = _Observed(version, holder, duration, time.monotonic())

    def _wanted(self, lease: Mapping[str, Any], began: float) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = _mapping(lease.get("spec"))
        own = spec.get("holderIdentity") == self.identity
        transitions = spec.get("leaseTransitions")
        transitions = transitions if isinstance(transitions, int) else 0
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": _mapping(lease.get("metadata")) or {"name": self._name},
            "spec": {
                **spec,
                "holderIdentity": self.identity,
                "leaseDurationSeconds": math.ceil(self._pace.duration),
                "acquireTime": spec.get("acquireTime") if own else now,
                "renewTime": now,
                "leaseTransitions": transitions if own or not lease else transitions + 1,
            },
        }

    async def _release(self) -> None:
        """Release the Lease, so that another replica need not wait. If that fails, it expires."""
        held, self._leads_until = self.holder == self.identity, 0.0
        if not held or not self._lease:
            return
        spec = {
            **_mapping(self._lease.get("spec")),
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
        }
        with suppress(KubeError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                self._observe(await self._client.put(self._path, {**self._lease, "spec": spec}))
                logger.info("%s is given back", self._title)

    def _jittered(self) -> float:
        return self._pace.retry * random.uniform(1.0, 1.2)  # noqa: S311 - spreads the replicas


class LeaderClient:
    """A client for the leader. Writes raise `NotLeadingError` if this replica does not lead.

    A process that was suspended continues in the middle of its work, although another replica may
    lead already. So each write checks first.
    """

    def __init__(self, client: Client, leading: Callable[[], bool]) -> None:
        self._client = client
        self._leading = leading

    async def get(self, path: str) -> Any:
        """See `Client.get`."""
        return await self._client.get(path)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """See `Client.post`."""
        self._check()
        return await self._client.post(path, body)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """See `Client.put`."""
        self._check()
        return await self._client.put(path, body)

    async def patch(self, path: str, body: Body) -> Any:
        """See `Client.patch`."""
        self._check()
        return await self._client.patch(path, body)

    async def apply(self, path: str, body: Mapping[str, Any], *, manager: str) -> Any:
        """See `Client.apply`."""
        self._check()
        return await self._client.apply(path, body, manager=manager)

    async def delete(self, path: str, uid: str = "", *, propagation: str = "") -> Any:
        """See `Client.delete`."""
        self._check()
        return await self._client.delete(path, uid, propagation=propagation)

    def _check(self) -> None:
        if not self._leading():
            raise NotLeadingError


def _end_of(working: asyncio.Task[None]) -> None:
    """Raise the error that ended the work, except `NotLeadingError`: then leadership was lost."""
    lost = False
    try:
        working.result()
    except* NotLeadingError:
        lost = True
    if not lost:
        raise RuntimeError("the leader's work has ended")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
