"""Follows one kind of objects in one namespace, or in all, through whatever happens."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from ...base.problems import Problem
from ...base.reasons import Reason
from ...base.scope import ScopeStatus, State
from ..client import Client
from ..errors import (
    BusyError,
    ForbiddenError,
    GoneError,
    KubeError,
    NotFoundError,
    UnreachableError,
)
from ..listwatch import list_pages, watch_batches
from ..reasons import KubeReason
from .kind import Kind
from .store import Key, Noted, Store

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
"""How often everything is listed anew although no event was missed, as far as anyone knows; give or
take a fifth, so that not all come at once."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_FORBIDDEN_PAUSE = 30.0
_NOT_SERVED_PAUSE = 4.0
# So long must discovery say that a kind is not served before its objects are believed to be gone.
_UNSERVED_SECONDS = 60.0
_SETTLED_SECONDS = 1.0

T = TypeVar("T")


class Scope(Generic[T]):
    """Lists, then watches. What it knows is in `store`; `changed` is called when that changed, and
    `noted` with each object that did.

    `settled` once it is known how things stand, for good or ill; `listed` once a list was read to
    its end, or there can be none: only then does an object that is not in `store` not exist.
    """

    def __init__(  # noqa: PLR0913 - two of them are callbacks
        self,
        client: Client,
        kind: Kind[T],
        namespace: str,
        params: dict[str, str],
        *,
        changed: Callable[[], None],
        restarted: Callable[[Reason], None],
        noted: Noted[T] = lambda _before, _after: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self.kind = kind
        self._version = kind.versions[0]
        self._namespace = namespace
        self._params = params
        self._changed = changed
        self._restarted = restarted
        self._clock = clock
        self.store: Store[T] = Store(kind.name, lingers=kind.lingers, noted=noted)
        self.settled = False
        self.listed = False
        self._state = State.STARTING
        self._resource_version = ""
        self._list_due = 0.0
        self._heard: float | None = None
        self._unserved_since: float | None = None
        self._failures = 0
        self._restarts = 0
        self._problem: Problem | None = None

    @property
    def title(self) -> str:
        """For people: which kind, and where."""
        place = f"namespace {self._namespace}" if self._namespace else "all namespaces"
        return f"{self.kind.name} in {place}"

    @property
    def prefix(self) -> str:
        """How the `source` of each of its candidates begins."""
        return f"{self.kind.name}/{self._namespace}/" if self._namespace else f"{self.kind.name}/"

    @property
    def problem(self) -> Problem | None:
        """Why it cannot be followed now, if so."""
        return self._problem

    def status(self) -> ScopeStatus:
        """How it stands."""
        return ScopeStatus(
            kind=self.kind.name,
            namespace=self._namespace,
            state=self._state,
            objects=len(self.store),
            version=self._resource_version,
            age=None if self._heard is None else self._clock() - self._heard,
            restarts=self._restarts,
            reason=self._problem.reason if self._problem else None,
            message=self._problem.message if self._problem else "",
        )

    async def follow(self) -> None:
        """Follow for ever. Raises nothing but what is a bug."""
        while True:
            try:
                if not self._resource_version:
                    await self._list()
                elif self._clock() >= self._list_due:
                    await self._list_again()
                await self._watch()
            except KubeError as error:
                pause = await self._failed(error)
                await asyncio.sleep(pause)

    async def _list_again(self) -> None:
        """List all anew, as a precaution: where that fails, the watch goes on from where it is."""
        try:
            await self._list()
        except GoneError:
            raise
        except KubeError as error:
            logger.warning("%s: cannot be listed again: %s", self.title, error)
            self._list_due = self._clock() + RESYNC_SECONDS / 10

    async def _list(self) -> None:
        keys: list[Key] = []
        changed = False
        version = ""
        path = self.kind.path(self._version, self._namespace)
        async with aclosing(list_pages(self._client, path, self._params)) as pages:
            async for page in pages:
                version = page.version
                keys += self.store.keys_of(page.items)
                for item in page.items:
                    changed = self.store.put(item, self._version.read) or changed
                if not page.last and changed and self.listed:
                    self._changed()
        changed = self.store.keep(keys) or changed
        self._resource_version = version
        self._list_due = self._clock() + RESYNC_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
        self._unserved_since = None
        self._hear()
        self._stand(listed=True, changed=changed)

    async def _watch(self) -> None:
        path = self.kind.path(self._version, self._namespace)
        opened = self._clock()
        batches = watch_batches(self._client, path, self._params, self._resource_version)
        async with aclosing(batches) as following:
            async for batch in following:
                self._hear()
                if self._problem is not None or self._state is not State.FOLLOWING:
                    self._state = State.FOLLOWING
                    self._solve()
                changed = False
                for event in batch.events:
                    if event.kind == "DELETED":
                        changed = self.store.drop(event.data) or changed
                    else:
                        changed = self.store.put(event.data, self._version.read) or changed
                self._resource_version = batch.version or self._resource_version
                if changed:
                    self._changed()
                if batch.events or self._clock() - opened > _SETTLED_SECONDS:
                    self._failures = 0
        if self._clock() - opened < _SETTLED_SECONDS:
            # It ended as if its time were over: a proxy may do so, and must not be besieged.
            raise UnreachableError("the watch ended at once")

    async def _failed(self, error: KubeError) -> float:
        """Note a failure; the seconds to wait before the next try."""
        watching = self._state is State.FOLLOWING
        self._failures += 1
        reason = error.reason
        if watching:
            self._restarts += 1
            if reason is KubeReason.API_UNREACHABLE:
                reason = KubeReason.WATCH_CUT
            self._restarted(reason)
            logger.debug("%s: %s: %s", self.title, reason.value, error)
        if isinstance(error, NotFoundError):
            return await self._not_found(error)
        self._unserved_since = None
        if isinstance(error, GoneError):
            self._resource_version = ""
        if not watching or self._failures > 1 or isinstance(error, ForbiddenError):
            self._state = State.RETRYING
            self._stand(problem=Problem(self.title, error.reason, str(error)))
        elif watching:
            # A first cut is nothing to tell: most are over with the next try.
            self._state = State.RETRYING
        if isinstance(error, ForbiddenError):
            return _jittered(_FORBIDDEN_PAUSE)
        if isinstance(error, BusyError) and error.retry_after:
            return error.retry_after * random.uniform(1.0, 1.2)  # noqa: S311
        pause: float = min(_FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        return random.uniform(0.0, pause) if watching else _jittered(pause)  # noqa: S311

    async def _not_found(self, error: KubeError) -> float:
        """Find out whether the kind is not served, or served in another version."""
        self._resource_version = ""
        try:
            version = await self.kind.served(self._client)
            if version is not None:
                self._unserved_since = None
                if version is not self._version:
                    self._version = version
                    return 0.0
                # Discovery and the list disagree: a definition comes or goes just now.
                raise error
            if await self._gone():
                self._state = State.NOT_INSTALLED
                changed = self.store.keep(())
                self._stand(listed=True, changed=changed)
                return _jittered(_NOT_SERVED_PAUSE)
        except KubeError as failure:
            error = failure
        self._state = State.RETRYING
        self._stand(problem=Problem(self.title, error.reason, str(error)))
        return _jittered(min(_FIRST_PAUSE * 2.0 ** min(self._failures, 10), _NOT_SERVED_PAUSE))

    async def _gone(self) -> bool:
        """Whether the objects of a kind that is not served are believed to be gone.

        An answer of discovery alone may be a moment's: while definitions are loaded, or an API
        server of several is behind. A deleted definition deletes its objects first, one by one.
        """
        if await self.kind.undefined(self._client):
            return True
        now = self._clock()
        if self._unserved_since is None:
            self._unserved_since = now
        return now - self._unserved_since >= _UNSERVED_SECONDS

    def _hear(self) -> None:
        self._heard = self._clock()

    def _solve(self) -> None:
        if self._problem is not None:
            self._stand()

    def _stand(
        self, *, problem: Problem | None = None, listed: bool = False, changed: bool = False
    ) -> None:
        """Note how things stand now, and tell if that is news."""
        before = (self.settled, self.listed, self._problem)
        self.settled = True
        self.listed = self.listed or listed
        self._problem = problem
        if changed or before != (self.settled, self.listed, self._problem):
            self._changed()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - so that many do not come at once
