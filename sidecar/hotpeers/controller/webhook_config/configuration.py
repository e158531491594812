"""One webhook configuration of the guard, and the writes that add and remove its accounts."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from ...base.backoff import Backoff
from ...base.errors import GovernError
from ...base.problems import Problem
from ...base.reasons import Word
from ...base.scope import State
from ...kube.client import Client
from ...kube.errors import KubeError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ...kube.reasons import KubeReason
from ...spawnpolicy.governed import Account
from ..election import LeaderClient
from ..reasons import ControllerReason
from .matching import Asking, asking_patch, read_asking

logger = logging.getLogger(__name__)

BOUND_SECONDS = 3.0
"""The longest time to wait until an account is governed."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2
# The configuration was replaced (409), the version test in the patch failed (422), or it was
# deleted (404).
_CONFLICTS = (404, 409, 422)

Accounts = frozenset[Account]


def _kind(name: str, plural: str) -> Kind[Asking]:
    group = "admissionregistration.k8s.io"
    return Kind[Asking](name, group, plural, (Version("v1", read_asking),))


MUTATING = _kind("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
VALIDATING = _kind("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")


class Keeper:
    """Keeps one configuration. `changed` is called after each change of it."""

    def __init__(
        self, client: Client, kind: Kind[Asking], name: str, changed: Callable[[], None]
    ) -> None:
        self._client = client
        self._list = kind.path(kind.versions[0], "")
        self._path = f"{self._list}/{name}"
        self._params = {"fieldSelector": f"metadata.name={name}"}
        self._title = f"{kind.name}/{name}"
        self.scope: Scope[Asking] = Scope(
            client, kind, "", self._params, changed=changed, restarted=lambda _: None
        )
        self._stays: Accounts = frozenset()
        self._written: Asking | None = None
        self._before: set[str] = set()
        self._failure: Problem | None = None
        self.writes = 0

    @property
    def seen(self) -> Asking | None:
        """The configuration as last seen or written; None if neither happened."""
        found = next(self.scope.store.values(), None)
        if self._written is not None and found is not None and found.version in self._before:
            # The watch still shows a version from before our own write.
            return self._written
        return found

    @property
    def fresh(self) -> bool:
        """Whether `seen` is current."""
        return self.scope.listed and self.scope.status().state is State.FOLLOWING

    @property
    def stays(self) -> Accounts:
        """Its accounts without those that are leaving."""
        seen = self.seen
        return seen.accounts - seen.leaving if seen else frozenset()

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        found = [self.scope.problem, self._failure]
        for opening in self.seen.openings if self.seen else ():
            message = f"requests of governed accounts pass by the guard: {opening}"
            found.append(Problem(self._title, ControllerReason.GUARD_OPEN, message))
        return tuple(one for one in found if one is not None)

    async def bring(self, wanted: Accounts, others: Accounts, *, certain: bool) -> bool:
        """Add the `wanted` accounts, and those of `others`. Returns whether it was written.

        Accounts that another writer removed are put back. With `certain`, the watch is not enough:
        the result must have been read from the API server. Raises `GovernError` if that fails.
        """
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                written = await self._bring(wanted, others, certain=certain)
        except TimeoutError:
            message = f"it could not be written within {BOUND_SECONDS:g} s"
            raise self._failed(KubeReason.API_UNREACHABLE, message) from None
        except KubeError as error:
            raise self._failed(error.reason, f"it cannot be written: {error}") from error
        self._failure = None
        return written

    async def release(
        self, writer: LeaderClient, found: Asking, mark: Accounts, remove: Accounts, keep: Accounts
    ) -> None:
        """Mark and remove accounts, if the configuration is still the version `found`."""
        accounts = (found.accounts - remove) | keep
        patch = asking_patch(found, accounts, (found.leaving | mark) - remove - keep)
        if not patch:
            return
        try:
            await writer.patch(self._path, patch)
            self.writes += 1
        except KubeError as error:
            if error.status not in _CONFLICTS:
                self._failed(error.reason, f"it cannot be written: {error}")
            return
        if gone := found.accounts & remove:
            logger.info("%s: not governed any more: %s", self._title, _names(gone))

    async def _bring(self, wanted: Accounts, others: Accounts, *, certain: bool) -> bool:
        found, written, pause = self.seen, False, 0.0
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        if found is not self._written:
            self._before.clear()
        if found is None and not certain and self.scope.listed:
            raise self._missing()
        while True:
            if found is None:
                found, certain = await self._read(), False
            # The leader removes only accounts that are leaving. Put back all others that are
            # missing: another writer removed them.
            accounts = found.accounts | wanted | others | self._stays
            patch = asking_patch(found, accounts, found.leaving - wanted)
            if not found.webhooks:
                raise self._failed(ControllerReason.GUARD_MISSING, "it has no webhook")
            if patch:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = backoff.next()
                before = found.accounts
                self._before.add(found.version)
                found = await self._write(patch)
                if found is not None:
                    certain, written = False, True
                    added = found.accounts - before
                    told = f"governed: {_names(added)}" if added else "mended"
                    logger.info("%s: %s", self._title, told)
            elif certain:
                found = None
            else:
                self._stays = found.accounts - found.leaving
                return written

    async def _read(self) -> Asking:
        data = await self._client.get(self._list, self._params)
        items = data.get("items") or [] if isinstance(data, dict) else []
        if not items:
            raise self._missing()
        return read_asking(items[0])

    async def _write(self, patch: list[dict[str, Any]]) -> Asking | None:
        """The configuration after the patch; None if it was changed or deleted before."""
        try:
            data = await self._client.patch(self._path, patch)
        except KubeError as error:
            if error.status not in _CONFLICTS:
                raise
            logger.debug("%s: %s", self._title, error)
            self._written = None
            return None
        self.writes += 1
        self._written = read_asking(data)
        return self._written

    def _missing(self) -> GovernError:
        message = "it does not exist; install it again, nothing is admitted until then"
        return self._failed(ControllerReason.GUARD_MISSING, message)

    def _failed(self, reason: Word, message: str) -> GovernError:
        self._failure = Problem(self._title, reason, message)
        return GovernError(f"{self._title}: {message}")


def _names(accounts: Accounts) -> str:
    names = sorted(f"{namespace}/{name}" for namespace, name in accounts)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
