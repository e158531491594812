"""Counts of SpawnPolicies, exact over all replicas: a slot is written before an agent is admitted.

A decision holds only on the newest ledger: each write names the version that was decided on. A replica
that is killed after its write leaves a slot that is freed after the hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ...base.problems import Problem
from ...kube.client import Client
from ...spawnpolicy.decision import Decision
from ...spawnpolicy.schema.policy import MAX_SECONDS, SpawnPolicy
from .batch import Batch
from .books import Book, Books
from .freeing import Departed, Freeing
from .ledger import DeletionPolicy, LastDenial, Ledger, denied, usage
from .ledgers import CountsError, Ledgers
from .reservation import Decide, Reservation, Waiting
from .settling import LiveRead, Shown
from .timing import Timing

__all__ = ["Counts", "CountsError", "Reservations", "Timing"]


@dataclass(frozen=True, slots=True)
class Counts:
    """The usage of a policy, for its status. Nothing is admitted before `held`."""

    alive: int
    created: tuple[datetime, ...]
    denials: int = 0
    last_denial: LastDenial | None = None
    deletion_policy: DeletionPolicy = "Delete"
    held: datetime | None = None


class Reservations:
    """Counts under SpawnPolicies, each named by its key `namespace/name`.

    `window` gives the seconds of a policy's `limits.creates.window`; without it all creations of 30
    days are kept. `agents` gives those that a watch shows under a policy, by `namespace/name`;
    without it all are looked at to find a free slot. `departed` gives the uids of those that a watch
    showed, and that are gone, by name: their slots are free at once. `policy` gives the policy itself,
    which says what of the agents that carry its stamp can be its own. Raises `CountsError`.
    """

    def __init__(  # noqa: PLR0913 - the last are for tests
        self,
        client: Client,
        namespace: str,
        lease_name: str,
        *,
        window: Callable[[str], float] | None = None,
        agents: Callable[[str], Shown] | None = None,
        departed: Callable[[str], Departed] = lambda _: {},
        policy: Callable[[str], SpawnPolicy | None] | None = None,
        timing: Timing | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._timing = timing = timing or Timing()
        self._ledgers = Ledgers(client, namespace, lease_name, timing.bound)
        self._books = Books(self._ledgers, policy or (lambda _: None), timing.hold, clock)
        self._window = window or (lambda _: MAX_SECONDS)
        self._agents = agents
        self._policy = policy
        self._clock = clock
        self._freeing = Freeing(
            self._books,
            self._ledgers.agent,
            shown=self._shown,
            departed=departed,
            timing=timing,
            clock=clock,
        )
        self._queues: dict[tuple[str, ...], list[Waiting]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._denied = asyncio.Event()
        self._unread: tuple[Problem, ...] = ()

    def problems(self) -> tuple[Problem, ...]:
        """The current problems of the ledgers that were asked for."""
        own = {one.problem for one in self._books.all() if one.problem is not None}
        return (*sorted(own, key=str), *(one for one in self._unread if one not in own))

    async def run(self) -> None:
        """Write denials until cancelled. Nothing else waits for it."""
        while True:
            await self._denied.wait()
            self._denied.clear()
            for book in self._books.all():
                if book.denials:
                    await self._flush(book)
            await asyncio.sleep(self._timing.flush)

    def reserve(
        self,
        keys: Iterable[str],
        agent: str,
        decide: Decide,
        *,
        uid: str = "",
        dry_run: bool = False,
    ) -> Reservation:
        """Queue a request: decide with what these policies have in use, and take the slot of `agent`.

        `uid` is that of the object in the request. `decide` is called again whenever the counts have
        changed; a dry run takes nothing. What is returned has to be waited for at once.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(agent, uid, decide, dry_run, loop.create_future(), loop.create_future())
        queue = tuple(sorted(set(keys)))
        waiters = self._queues.get(queue)
        if waiters is None:
            self._queues[queue] = [waiting]
            worker = asyncio.create_task(self._work(queue), name="admit")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        else:
            waiters.append(waiting)
        return Reservation(waiting, queue, self._timing.bound)

    async def admit(
        self,
        keys: Iterable[str],
        agent: str,
        decide: Decide,
        *,
        uid: str = "",
        dry_run: bool = False,
    ) -> Decision:
        """The decision of `reserve`, once it holds."""
        return await self.reserve(keys, agent, decide, uid=uid, dry_run=dry_run).decided()

    async def settle(
        self,
        key: str,
        live_read: LiveRead | None = None,
        agents: Shown | None = None,
    ) -> int:
        """Free the slots of missing agents, by reading each agent. Returns how many were freed.

        Where a watch's `agents` are given, those among them that are settled are not looked at, and
        those that count get a slot if they have none. Nothing is made where there is no ledger and no agent.
        """
        book = self._books[key]
        agents = self._shown(key) if agents is None else agents
        async with book.lock:
            held = await self._books.find(book, live=True)
            if held is None:
                wanted = any((agents or {}).values()) and (
                    self._policy is None or self._policy(key) is not None
                )
                # The agent's annotation may name a policy that never existed: keep no counts for it.
                if wanted or book.known is not None:
                    await self._books.load(book, live=False)
                return 0
        return await self._freeing.settle(book, held, live_read, agents, book.lock)

    async def counts(self, key: str) -> Counts | None:
        """The usage of a policy now, or None if it has no ledger yet."""
        book = self._books[key]
        async with book.lock:
            held = await self._books.find(book, live=True)
        return None if held is None else self._counts(held.ledger, book)

    async def every(self) -> dict[str, Counts]:
        """The usage of all policies with a readable ledger, by one list."""
        found, unread = {}, []
        for key, held in (await self._ledgers.every()).items():
            if isinstance(held, CountsError):
                unread.append(Problem(self._ledgers.where(key), held.reason, str(held)))
            else:
                found[key] = self._counts(held.ledger, self._books[key])
        self._unread = tuple(unread)
        return found

    async def keys(self) -> frozenset[str]:
        """The policies that have a ledger, readable or not."""
        return frozenset(await self._ledgers.every())

    def note_denial(self, key: str, denial: LastDenial) -> None:
        """Record a denial under this policy, enforced or audited. `run` writes it soon."""
        book = self._books[key]
        book.denials += 1
        if book.last_denial is None or book.last_denial.time <= denial.time:
            book.last_denial = denial
        self._denied.set()

    async def set_deletion_policy(self, key: str, policy: DeletionPolicy) -> None:
        """Record the deletionPolicy, for the time after the SpawnPolicy is deleted.

        `Delete` makes no ledger: it is the meaning of a missing one.
        """

        def edit(ledger: Ledger) -> Ledger:
            if ledger.deletion_policy == policy:
                return ledger
            return replace(ledger, deletion_policy=policy)

        book = self._books[key]
        async with book.lock:
            await self._books.change(book, edit, live=True, create=policy != "Delete")

    async def forget(self, key: str) -> bool:
        """Remove the ledger of a deleted policy. Returns False if it has slots or changed meanwhile."""
        book = self._books[key]
        async with book.lock:
            held = await self._books.find(book, live=True)
            now = self._clock().timestamp()
            if held is not None and (held.ledger.slots or held.ledger.held >= now):
                return False
            if held is not None and not await self._ledgers.remove(key, held):
                return False
            book.held = book.known = book.last_denial = None
            book.denials = 0
        return True

    # -- below

    async def _work(self, queue: tuple[str, ...]) -> None:
        """Answer the requests for the same policies, in batches of those that arrived meanwhile."""
        books = {key: self._books[key] for key in queue}
        batch = Batch(self._books, books, self._window, self._clock, self._freeing.free_one)
        while self._queues[queue]:
            async with AsyncExitStack() as stack:
                # In the order of the keys, as everywhere, so that there is no deadlock.
                for book in books.values():
                    await stack.enter_async_context(book.lock)
                waiting, self._queues[queue] = self._queues[queue], []
                await batch.answer(waiting)
        del self._queues[queue]

    def _shown(self, key: str) -> Shown | None:
        return None if self._agents is None else self._agents(key)

    async def _flush(self, book: Book) -> None:
        try:
            async with book.lock:
                await self._books.change(book, lambda ledger: ledger)
        except CountsError:
            # The error is among the problems, and the denials wait for the next write.
            self._denied.set()

    def _counts(self, ledger: Ledger, book: Book) -> Counts:
        ledger = denied(ledger, book.denials, book.last_denial)
        used = usage(ledger, "", self._clock(), self._window(ledger.policy))
        return Counts(
            used.alive,
            used.created,
            ledger.denials,
            ledger.last_denial,
            ledger.deletion_policy,
            datetime.fromtimestamp(ledger.held, UTC) if ledger.held else None,
        )
