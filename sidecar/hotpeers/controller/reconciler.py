"""Follows the objects of some kinds, and reconciles all of them in passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from ..base.problems import Problem
from ..base.scope import State
from ..kube.client import Client
from ..kube.informer.kind import Kind
from ..kube.informer.scope import Scope

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

REST_SECONDS = 10.0
"""For so long an object that could not be reconciled is left alone."""


class Reconciler(Generic[K]):
    """Calls `reconcile` once for each burst of changes, and every `resync` seconds without one.

    Level-triggered: a pass compares all objects with what they should be, so a lost change is found by
    the next pass. There is no pass before every kind was listed once, and never two at the same time. A
    pass that sleeps at its end keeps a pace.

    A pass does the work for its objects with `each`. What it cannot do for one of them it notes with
    `fail`, so that the others go on. An exception of a pass is a bug, and ends `run`.

    `name` describes the work in the names of tasks. `gather` is for how many seconds a burst is
    gathered, and `at_once` for how many objects work is done at the same time.
    """

    def __init__(
        self,
        name: str,
        reconcile: Callable[[], Awaitable[None]],
        *,
        resync: float,
        gather: float = 0.05,
        at_once: int = 4,
    ) -> None:
        self._name = name
        self._reconcile = reconcile
        self._resync = resync
        self._gather = gather
        self._changed = asyncio.Event()
        self._within = resync
        self._scopes: list[Scope[Any]] = []
        self._free = asyncio.Semaphore(at_once)
        self._failures: dict[K, Problem] = {}
        self._rests: dict[K, float] = {}

    def watch(
        self,
        client: Client,
        kind: Kind[T],
        namespace: str = "",
        params: dict[str, str] | None = None,
    ) -> Scope[T]:
        """Follow a kind in one namespace, or in all of them, from the next `run` on."""
        changed, restarted = self._changed.set, lambda _: None
        scope = Scope(client, kind, namespace, params or {}, changed=changed, restarted=restarted)
        self._scopes.append(scope)
        return scope

    @property
    def up_to_date(self) -> bool:
        """Whether all watches work now. If not, objects may exist that the stores do not have yet."""
        return all(scope.status().state is State.FOLLOWING for scope in self._scopes)

    def problems(self) -> tuple[Problem, ...]:
        """Why kinds cannot be followed, and what could not be done for single objects."""
        unread = [scope.problem for scope in self._scopes if scope.problem is not None]
        return (*unread, *self._failures.values())

    async def run(self) -> None:
        """Follow and reconcile until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes:
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._work(), name=self._name)

    async def _work(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._within):
                    await self._changed.wait()
            await asyncio.sleep(self._gather)
            self._changed.clear()
            self._within = self._resync
            if all(scope.listed for scope in self._scopes):
                await self._reconcile()

    def requeue(self, seconds: float) -> None:
        """Have the next pass in at most `seconds`, also if nothing changes. To be called in a pass."""
        self._within = min(self._within, seconds)

    async def each(self, work: Iterable[Callable[[], Awaitable[None]]]) -> None:
        """Do the work for single objects, at most `at_once` of them at the same time."""

        async def one(do: Callable[[], Awaitable[None]]) -> None:
            async with self._free:
                await do()

        async with asyncio.TaskGroup() as group:
            for do in work:
                group.create_task(one(do), name=f"{self._name}: one object")

    def fail(self, key: K, problem: Problem, seconds: float = REST_SECONDS) -> None:
        """Note what could not be done for an object, which rests for `seconds`."""
        self._failures[key] = problem
        self.rest(key, seconds)

    def rest(self, key: K, seconds: float) -> None:
        """Leave an object alone for `seconds`."""
        self._rests[key] = time.monotonic() + seconds

    def rests(self, key: K) -> bool:
        """Whether an object is to be left alone now."""
        return time.monotonic() < self._rests.get(key, 0.0)

    def succeed(self, key: K) -> None:
        """Note that an object is as it should be."""
        self._failures.pop(key, None)

    def keep(self, keys: Collection[K]) -> None:
        """Forget the failures of all other objects, and the rests that have ended."""
        now = time.monotonic()
        self._failures = {key: one for key, one in self._failures.items() if key in keys}
        self._rests = {key: until for key, until in self._rests.items() if until > now}
