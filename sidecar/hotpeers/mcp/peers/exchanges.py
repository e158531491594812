"""The exchanges of this process: running ones, and the outcomes that may be asked for again.

Everything is bounded. An outcome is kept for `KEPT_SECONDS`, for `get_answer` and for a client that
sends its request again after a lost connection. Nothing here is needed by another replica: it goes
on with the token of the conversation alone.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.contract import Peer
from hotpeers_shim.settings import Settings

from ...registry.fault import Fault
from ..reasons import McpReason
from .conversation import EXCHANGE_BYTES, Conversation, Owner, peer_digest
from .exchange import Exchange, Message, Outcome
from .fleet import Fleet

KEPT_SECONDS = 600.0
MAX_KEPT = 1_000
MAX_KEPT_CHARACTERS = 16 * 1024 * 1024
MAX_RUNNING = 256
"""Most exchanges that run at once, if no other limit is given."""
PROGRESS_SECONDS = 5.0
"""How often a waiting client hears that the peer still works, if the peer says nothing."""
_LOOK_SECONDS = 0.5

Report = Callable[[int, str], Awaitable[None]]
"""Reports progress to the client: a growing number, and a text."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a client. `key` is the same when the client sends it again, else None."""

    owner: Owner
    message: Message
    key: tuple[str, ...] | None = None


class Exchanges:
    """Runs exchanges, and waits for them. Use it as an asynchronous context manager.

    `most_running` limits the exchanges that run at once, and `most_characters` the outcomes that are
    kept. `admit` is called before an exchange begins; it raises `Fault` if none may begin now.
    """

    def __init__(  # noqa: PLR0913 - two limits and a clock
        self,
        pool: Pool,
        settings: Settings,
        *,
        most_running: int = MAX_RUNNING,
        most_characters: int = MAX_KEPT_CHARACTERS,
        admit: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._admit = admit
        self.most_running = most_running
        self._most_characters = most_characters
        self._hurried = False
        self._exchanges: dict[bytes, Exchange] = {}
        self._by_request: dict[tuple[str, ...], bytes] = {}
        self._locks: weakref.WeakValueDictionary[tuple[str, ...], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    async def __aenter__(self) -> Exchanges:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop waiting for the peers. They go on with their tasks, for another replica to read."""
        running = [one for one in self._exchanges.values() if not one.task.done()]
        for one in running:
            one.leave()
        await asyncio.gather(*(one.task for one in running), return_exceptions=True)

    @property
    def running(self) -> int:
        """How many exchanges run now."""
        return sum(not one.task.done() for one in self._exchanges.values())

    async def wait_until_idle(self) -> None:
        """Wait until no exchange runs."""
        while running := [one.task for one in self._exchanges.values() if not one.task.done()]:
            await asyncio.wait(running)

    def hurry(self) -> None:
        """End each wait now. The callers get a pointer to `get_answer`, which another replica serves."""
        self._hurried = True

    def send(
        self, fleet: Fleet, peer: Peer, request: Request, before: Conversation | None
    ) -> Exchange:
        """Begin to send a message, or find the exchange that the same request has begun.

        Raises `Fault` if too many exchanges run.
        """
        if request.key is not None:
            known = self._exchanges.get(self._by_request.get(request.key, b""))
            if known is not None and known.owner == request.owner:
                return known
        exchange = self._new(fleet, peer, request.owner)
        if before is not None:
            exchange.thread = before.thread
        exchange.send(request.message, self._lock(peer, exchange.thread.context_id))
        self._add(exchange)
        if request.key is not None:
            self._by_request[request.key] = exchange.id
        return exchange

    def find(self, conversation: Conversation, owner: Owner) -> Exchange | None:
        """The exchange whose answer a conversation waits for, if this process has it."""
        found = self._exchanges.get(conversation.exchange)
        return found if found is not None and found.owner == owner else None

    def resume(
        self,
        fleet: Fleet,
        peer: Peer,
        owner: Owner,
        conversation: Conversation,
        headers: Mapping[str, str],
    ) -> Exchange:
        """Begin to wait for the task of a conversation whose exchange ran in another process.

        `headers` identify the user: a peer may show a task only to the user who began it.
        """
        exchange = self._new(fleet, peer, owner)
        exchange.id = conversation.exchange
        exchange.thread = conversation.thread
        exchange.resume(conversation.running, headers)
        self._add(exchange)
        return exchange

    async def wait(self, exchange: Exchange, seconds: float, report: Report) -> Outcome | None:
        """Wait for the outcome; None if it takes longer. Reports progress meanwhile."""
        end = self._clock() + seconds
        heard, spoke, count = 0, self._clock(), 0
        while not exchange.task.done() and self._clock() < end and not self._hurried:
            pause = max(min(_LOOK_SECONDS, end - self._clock()), 0.001)
            await asyncio.wait({exchange.task}, timeout=pause)
            quiet = self._clock() - spoke > PROGRESS_SECONDS
            if not exchange.task.done() and (exchange.events != heard or quiet):
                heard, spoke, count = exchange.events, self._clock(), count + 1
                await report(count, exchange.progress() or "The agent is still working.")
        if not exchange.task.done():
            return None
        if exchange.task.cancelled():
            raise Fault(
                McpReason.ANSWER_LOST,
                "the call was given up here before the agent answered",
                "The agent may have done the work: ask it, before you send the same again.",
            )
        return exchange.task.result()

    def cancel(self, exchange: Exchange) -> None:
        """Give an exchange up, and have the peer cancel its task."""
        exchange.task.cancel()
        self._exchanges.pop(exchange.id, None)

    def _new(self, fleet: Fleet, peer: Peer, owner: Owner) -> Exchange:
        self._forget_old()
        if self.running >= self.most_running:
            raise Fault(
                McpReason.TOO_MANY_CALLS,
                f"{self.most_running} calls are running here already. Nothing was sent",
                "Try again when others have ended.",
            )
        self._admit()
        return Exchange(os.urandom(EXCHANGE_BYTES), owner, peer, fleet, self._pool, self._settings)

    def _add(self, exchange: Exchange) -> None:
        self._exchanges[exchange.id] = exchange
        exchange.task.add_done_callback(lambda _: self._note_ended(exchange))

    def _note_ended(self, exchange: Exchange) -> None:
        exchange.ended = self._clock()

    def _lock(self, peer: Peer, context_id: str) -> asyncio.Lock:
        """Two messages at once in one A2A context would mix. A new conversation never waits."""
        if not context_id:
            return asyncio.Lock()
        key = (peer_digest(peer).hex(), context_id)
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    def _forget_old(self) -> None:
        """Drop outcomes that are too old, and the oldest ones of too many."""
        done = [one for one in self._exchanges.values() if one.ended is not None]
        done.sort(key=lambda one: one.ended or 0.0, reverse=True)
        size, oldest = 0, self._clock() - KEPT_SECONDS
        for number, one in enumerate(done):
            size += 0 if one.task.cancelled() else len(one.task.result().text)
            late = (one.ended or 0.0) < oldest
            if late or number >= MAX_KEPT or size > self._most_characters:
                del self._exchanges[one.id]
        kept = self._exchanges
        self._by_request = {key: one for key, one in self._by_request.items() if one in kept}
