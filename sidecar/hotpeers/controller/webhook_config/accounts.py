"""Keeps the governed accounts in both webhook configurations of the guard.

The API server sends requests of these accounts to the guard. Every replica adds accounts, so that
no request waits for a leader. Only the leader removes them. Each write is a compare-and-swap on the
resourceVersion.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from ...base.errors import GovernError
from ...base.problems import Problem
from ...kube.client import Client
from ...spawnpolicy.governed import Account, is_account
from ..election import LeaderClient
from .configuration import BOUND_SECONDS, MUTATING, VALIDATING, Accounts, Keeper
from .matching import Asking, Clock, Patience, plan_release

_LOOK_SECONDS = 5.0
_UNCLEAR_SECONDS = 0.5
# If another writer changes a configuration again and again, correct it at this pace only.
_REST_SECONDS = 0.25
# Debounce: several watches report each creation, and each pass handles all accounts.
_GATHER_SECONDS = 0.05
_LEADERS_GATHER_SECONDS = 1.0


class Subjects(Protocol):
    """The accounts that are governed by the policies in the cluster."""

    def governed(self) -> frozenset[Account]:
        """The governed accounts, as far as they are known."""

    def fresh(self) -> bool:
        """Whether the known accounts are complete and current."""


class Governed:
    """The accounts in the configurations `name`. Call `look` after each change of `subjects`."""

    def __init__(
        self,
        client: Client,
        name: str,
        subjects: Subjects,
        patience: Patience | None = None,
    ) -> None:
        self._subjects = subjects
        self._patience = patience or Patience()
        self._news = asyncio.Event()
        self._called = asyncio.Event()
        self._leaders_news = asyncio.Event()
        self._keepers = tuple(
            Keeper(client, kind, name, self.look) for kind in (MUTATING, VALIDATING)
        )
        self._waiting: list[tuple[Accounts, asyncio.Future[None]]] = []
        self._held: dict[Account, float] = {}
        self._rests_until = 0.0

    @property
    def count(self) -> int:
        """The number of accounts that are in both configurations."""
        first, second = self._keepers
        return len(_accounts(first.seen) & _accounts(second.seen))

    @property
    def writes(self) -> int:
        """The number of writes of this replica."""
        return sum(keeper.writes for keeper in self._keepers)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return tuple(one for keeper in self._keepers for one in keeper.problems())

    def holds(self, accounts: Iterable[Account]) -> bool:
        """Whether the last seen version of both configurations has all of these accounts."""
        wanted = frozenset(accounts)
        return all(keeper.seen and keeper.seen.holds(wanted) for keeper in self._keepers)

    def look(self) -> None:
        """Check at once, because subjects or configurations may have changed."""
        self._news.set()
        self._leaders_news.set()

    async def ensure(self, accounts: Iterable[Account]) -> None:
        """Return once both configurations certainly have these accounts, or raise `GovernError`.

        Concurrent callers share one write.
        """
        wanted = frozenset(accounts)
        for namespace, name in wanted:
            if not is_account((namespace, name)):
                raise GovernError(f"{namespace[:80]!r}/{name[:80]!r} is no ServiceAccount's name")
        # An account within a matched range of names needs no write, and so no proof of a write.
        wanted = frozenset(one for one in wanted if not self.spans(one))
        if not wanted:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        self._news.set()
        self._called.set()
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                await future
        except TimeoutError:
            message = f"the guard's webhook configurations: no answer within {BOUND_SECONDS:g} s"
            raise GovernError(message) from None

    async def run(self) -> None:
        """Add the needed accounts until cancelled."""
        async with asyncio.TaskGroup() as group:
            for keeper in self._keepers:
                scope = keeper.scope
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._keep(), name="govern")

    async def lead(self, writer: LeaderClient) -> None:
        """Remove unneeded accounts until cancelled, while this replica leads."""
        clocks: dict[Account, Clock] = {}
        gather = min(_LEADERS_GATHER_SECONDS, self._patience.linger / 5)
        while True:
            await asyncio.sleep(gather)
            self._leaders_news.clear()
            seconds = _UNCLEAR_SECONDS
            # Remove nothing while the caches are out of date.
            if self._subjects.fresh() and all(keeper.fresh for keeper in self._keepers):
                due = await self._release(writer, clocks)
                seconds = _LOOK_SECONDS if due is None else due - time.monotonic()
            await _news(self._leaders_news, min(max(seconds, _REST_SECONDS), _LOOK_SECONDS))

    async def _keep(self) -> None:
        while True:
            await _news(self._news, _LOOK_SECONDS)
            # A call of `ensure` ends the pause.
            rest = max(self._rests_until - time.monotonic(), _GATHER_SECONDS)
            await _news(self._called, rest)
            self._called.clear()
            self._news.clear()
            await self._add()

    async def _add(self) -> None:
        waiting, self._waiting = self._waiting, []
        now = time.monotonic()
        self._held = {one: until for one, until in self._held.items() if until > now}
        for asked, _ in waiting:
            # The agent is not created yet, so no watch shows this account as governed.
            self._held.update(dict.fromkeys(asked, now + 2 * self._patience.linger))
        wanted, others = self._wanted(), frozenset[Account]()
        others = others.union(*(keeper.stays for keeper in self._keepers))
        outcomes = await asyncio.gather(
            *(keeper.bring(wanted, others, certain=bool(waiting)) for keeper in self._keepers),
            return_exceptions=True,
        )
        failures = [one for one in outcomes if isinstance(one, BaseException)]
        for failure in failures:
            if not isinstance(failure, GovernError):
                raise failure
        if any(one is True for one in outcomes):
            self._rests_until = time.monotonic() + _REST_SECONDS
        for _, future in waiting:
            if future.done():
                continue
            if failures:
                future.set_exception(GovernError(str(failures[0])))
            else:
                future.set_result(None)

    async def _release(self, writer: LeaderClient, clocks: dict[Account, Clock]) -> float | None:
        found = [(keeper, keeper.seen) for keeper in self._keepers]
        wanted = self._wanted()
        plan = plan_release(
            [one for _, one in found if one is not None],
            wanted,
            clocks,
            time.monotonic(),
            self._patience,
        )
        clocks.clear()
        clocks.update(plan.clocks)
        if plan.mark or plan.remove:
            for keeper, one in found:
                if one is not None:
                    await keeper.release(writer, one, plan.mark, plan.remove, wanted)
        return plan.due

    def spans(self, account: Account) -> bool:
        """Whether both configurations match this account by a range that is not leaving."""
        return all(
            keeper.fresh and keeper.seen is not None and keeper.seen.spans(account)
            for keeper in self._keepers
        )

    def _wanted(self) -> Accounts:
        return self._subjects.governed() | self._held.keys()


def _accounts(seen: Asking | None) -> Accounts:
    return seen.accounts if seen else frozenset()


async def _news(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
