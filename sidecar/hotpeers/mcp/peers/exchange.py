"""One message to one peer, and its answer. It runs on while nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hotpeers_shim.calls import wire
from hotpeers_shim.calls.call import Call
from hotpeers_shim.calls.failure import CallFailed
from hotpeers_shim.calls.observe import Caller
from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.calls.thread import Thread
from hotpeers_shim.contract import CallProblem, Peer, clean_text
from hotpeers_shim.fleet.names import shown_name
from hotpeers_shim.lineage import Link
from hotpeers_shim.reply import Reply, Text, Transcript, render, render_partial
from hotpeers_shim.settings import Settings

from .conversation import Conversation, Owner, peer_digest
from .fleet import Fleet

_MAX_PROGRESS = 300
_NEW_THREAD = (
    "(The agent no longer knows what was said to it before: this is a new conversation.)\n"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an exchange: the text for the model, and the thread in which to go on."""

    text: str
    thread: Thread = field(default_factory=Thread)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the text, its A2A messageId, and the headers that identify the user.

    The headers are sent only to peers that may get them (`Peer.userHeaders`), and so is the lineage of
    the `link`. A call that would make a loop or too deep a chain is refused; without a `link` none is.
    """

    text: str
    id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    link: Link | None = None


@dataclass(eq=False)
class Exchange:
    """One message and its answer. `task` ends with the outcome; it never raises."""

    id: bytes
    owner: Owner
    peer: Peer
    fleet: Fleet
    pool: Pool
    settings: Settings
    thread: Thread = field(default_factory=Thread)
    task: asyncio.Task[Outcome] = field(init=False)
    ended: float | None = None
    events: int = 0
    _call: Call | None = None

    def send(self, message: Message, lock: asyncio.Lock) -> None:
        """Begin to send a message in the thread. `lock` keeps its messages one after another."""
        self._begin(self._send(message, lock))

    def resume(self, running: str, headers: Mapping[str, str]) -> None:
        """Begin to wait for a task that an earlier exchange has started, as the same user."""
        self._begin(self._resume(running, headers))

    def conversation(self, outcome: Outcome | None) -> Conversation:
        """The conversation after the outcome; without one, its answer is still expected."""
        peer = peer_digest(self.peer)
        if outcome is not None:
            return Conversation(peer, outcome.thread)
        transcript = self._call.transcript if self._call is not None else Transcript()
        context = transcript.context_id or self.thread.context_id
        return Conversation(peer, Thread(context), self.id, transcript.task_id)

    def progress(self) -> str:
        """The newest message of the peer about its work, in one line."""
        if self._call is None:
            return ""
        texts = [part.text for part in self._call.transcript.reply().message if type(part) is Text]
        return clean_text(" ".join(texts), _MAX_PROGRESS)

    def leave(self) -> None:
        """Stop waiting, and let the peer go on with its task."""
        if self._call is not None:
            self._call.cancels = False
        self.task.cancel()

    def _begin(self, work: Callable[..., object] | object) -> None:
        name = f"exchange with {self.peer.toolName}"
        self.task = asyncio.create_task(work, name=name)  # type: ignore[arg-type]

    async def _send(self, message: Message, lock: asyncio.Lock) -> Outcome:
        async with lock:
            attempt, is_new = 0, False
            while True:
                try:
                    reply = await self._once(message, attempt)
                except CallFailed as failure:
                    after = self.thread.after(failure)
                    if after == self.thread:
                        return self._explained(failure)
                    # The peer refused the message because it lost the thread: send it without.
                    is_new = is_new or failure.context_gone
                    self.thread, attempt = after, attempt + 1
                else:
                    return self._answered(reply, _NEW_THREAD if is_new else "")

    async def _once(self, message: Message, attempt: int) -> Reply:
        identifier = f"{message.id}-{attempt}" if message.id and attempt else message.id
        sent = wire.text_message(
            message.text, self.thread.context_id, self.thread.task_id, identifier
        )
        async with self.pool.lease(self.peer) as client:
            context = self._context(message.headers)
            self._call = Call(
                self.peer,
                client,
                self.settings,
                context,
                on_event=self._note_event,
                link=message.link,
                caller=self._caller,
            )
            return await self._call.send(sent)

    @property
    def _caller(self) -> Caller:
        return Caller(self.owner.name, self.owner.user)

    def _context(self, headers: Mapping[str, str]) -> object | None:
        """The library's context of a call with the user's headers, if the peer may get them."""
        return wire.with_headers(headers) if self.peer.userHeaders and headers else None

    async def _resume(self, running: str, headers: Mapping[str, str]) -> Outcome:
        try:
            async with self.pool.lease(self.peer) as client:
                context = self._context(headers)
                self._call = Call(
                    self.peer,
                    client,
                    self.settings,
                    context,
                    on_event=self._note_event,
                    caller=self._caller,
                )
                reply = await self._call.resume(self.thread.context_id, running)
        except CallFailed as failure:
            return self._explained(failure)
        return self._answered(reply, "")

    def _note_event(self, _: Transcript) -> None:
        self.events += 1

    def _answered(self, reply: Reply, head: str) -> Outcome:
        self.fleet.note_called(self.peer.toolName)
        limit = self.settings.max_reply_characters
        text = head + render(reply, shown_name(self.peer), limit=limit)
        return Outcome(text, self._after(reply, reply.task_id if reply.state.waits else ""))

    def _explained(self, failure: CallFailed) -> Outcome:
        self.fleet.note_failed(self.peer.toolName, failure.problem, str(failure))
        advice = ""
        if failure.problem is CallProblem.ANSWER_TOO_LARGE:
            advice = " Ask it for less, such as a summary or one part."
        limit = self.settings.max_reply_characters
        text = render_partial(f"{failure}{advice}", failure.reply, limit=limit)
        # If nothing was sent, the peer's question still waits for its answer.
        waiting = self.thread.task_id if failure.unsent else ""
        return Outcome(text, self._after(failure.reply, waiting), failed=True)

    def _after(self, reply: Reply, waiting: str) -> Thread:
        return Thread(reply.context_id or self.thread.context_id, waiting)
