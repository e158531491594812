"""Follows the objects of one kind in one or all namespaces, and recovers from every API failure."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from ...base.backoff import pause_after
from ...base.names import NamespacedName
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
from .store import Noted, Store

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
"""Seconds between two full lists, a precaution against missed events. The value varies by a fifth, so
that clients do not list at the same time."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_FORBIDDEN_PAUSE = 30.0
# A kind that is not installed may stay away for good, so each sidecar asks less and less for it.
_NOT_SERVED_PAUSE, _LONGEST_NOT_SERVED_PAUSE = 4.0, 60.0
# Discovery must report for this long that a kind is not served before its objects are dropped.
_UNSERVED_SECONDS = 60.0
_SETTLED_SECONDS = 1.0

T = TypeVar("T")


class Scope(Generic[T]):
    """Lists the objects, then watches them, and keeps them in `store`.

    `changed` is called after changes of the store or of the status. `noted` is called with the old
    and the new form of each changed object. `restarted` is called with the reason when a watch ends
    with an error.

    `settled` is True after the first success or failure. `listed` is True after the first complete
    list, or once the kind counts as not installed (see `_gone`). Only then does an object that is
    missing from the store not exist.
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
        self._absences = 0
        self._failures = 0
        self._restarts = 0
        self._problem: Problem | None = None

    @property
    def title(self) -> str:
        """The kind and the namespace, as text for people."""
        place = f"namespace {self._namespace}" if self._namespace else "all namespaces"
        return f"{self.kind.name} in {place}"

    @property
    def prefix(self) -> str:
        """The prefix of the `source` of each candidate of this scope."""
        return f"{self.kind.name}/{self._namespace}/" if self._namespace else f"{self.kind.name}/"

    @property
    def problem(self) -> Problem | None:
        """Why the objects cannot be followed now; None while they can."""
        return self._problem

    def status(self) -> ScopeStatus:
        """The current status, for reports."""
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
        """Follow forever. Each `KubeError` is retried; any other error is a bug and is raised."""
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
        """Relist as a precaution. If that fails, the watch continues from its resource version."""
        try:
            await self._list()
        except GoneError:
            raise
        except KubeError as error:
            logger.warning("%s: cannot be listed again: %s", self.title, error)
            self._list_due = self._clock() + RESYNC_SECONDS / 10

    async def _list(self) -> None:
        keys: list[NamespacedName] = []
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
        self._absences = 0
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
            # The watch ended normally but too early, which a proxy may cause. Fail, so that the next
            # watch starts after a pause.
            raise UnreachableError("the watch ended at once")

    async def _failed(self, error: KubeError) -> float:
        """Record a failure. Returns the seconds to wait before the next try."""
        watching = self._state is State.FOLLOWING
        self._failures += 1
        reason = error.reason
        if watching:
            self._restarts += 1
            if reason is KubeReason.API_UNREACHABLE:
                reason = KubeReason.WATCH_CUT
            self._restarted(reason)
            logger.debug("%s: %s: %s", self.title, reason.value, error)
        if isinstance(error, ForbiddenError) and await self._hides_absence():
            error = NotFoundError(f"the server does not serve {self.kind.plural}.{self.kind.group}")
        if isinstance(error, NotFoundError):
            return await self._not_found(error)
        self._unserved_since = None
        if isinstance(error, GoneError):
            self._resource_version = ""
        if not watching or self._failures > 1 or isinstance(error, ForbiddenError):
            self._state = State.RETRYING
            self._stand(problem=Problem(self.title, error.reason, str(error)))
        elif watching:
            # Do not report the first cut of a watch: most retries succeed.
            self._state = State.RETRYING
        if isinstance(error, ForbiddenError):
            return _jittered(_FORBIDDEN_PAUSE)
        if isinstance(error, BusyError) and error.retry_after:
            return error.retry_after * random.uniform(1.0, 1.2)  # noqa: S311
        pause = pause_after(self._failures, _FIRST_PAUSE, _LONGEST_PAUSE)
        return random.uniform(0.0, pause) if watching else _jittered(pause)  # noqa: S311

    async def _not_found(self, error: KubeError) -> float:
        """Check whether the kind is not served, or is served in another version.

        Returns the seconds to wait before the next try.
        """
        self._resource_version = ""
        try:
            version = await self.kind.served(self._client)
            if version is not None:
                self._unserved_since = None
                if version is not self._version:
                    self._version = version
                    return 0.0
                # Discovery and the list disagree: a definition is being created or deleted.
                raise error
            if self._state is State.NOT_INSTALLED or await self._gone():
                self._state = State.NOT_INSTALLED
                changed = self.store.keep(())
                self._stand(listed=True, changed=changed)
                self._absences += 1
                longest = _LONGEST_NOT_SERVED_PAUSE
                return _jittered(pause_after(self._absences, _NOT_SERVED_PAUSE, longest))
        except KubeError as failure:
            error = failure
        self._state = State.RETRYING
        self._stand(problem=Problem(self.title, error.reason, str(error)))
        return _jittered(pause_after(self._failures + 1, _FIRST_PAUSE, _NOT_SERVED_PAUSE))

    async def _hides_absence(self) -> bool:
        """Whether the kind of a 403 is not served: the API server checks rights before that.

        A cluster with one generation of kagent needs no right to read the Agents of the other one.
        """
        try:
            return await self.kind.served(self._client) is None
        except KubeError:
            return False

    async def _gone(self) -> bool:
        """Whether to drop the objects of a kind that is not served.

        Discovery alone may be wrong for a moment: while definitions are loaded, or if one of several
        API servers lags behind. So it must report the same for `_UNSERVED_SECONDS`. Deleting a
        definition deletes its objects first, one by one.
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
        """Record the current standing, and call `changed` if it or the store differs."""
        before = (self.settled, self.listed, self._problem)
        self.settled = True
        self.listed = self.listed or listed
        self._problem = problem
        if changed or before != (self.settled, self.listed, self._problem):
            self._changed()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - so that many do not come at once
