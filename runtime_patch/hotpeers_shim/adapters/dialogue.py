"""One session's dialogue with one peer: one context, one call at a time, an open question resumed."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from functools import cache
from typing import Any

from .. import live as live_module
from ..contract import CallProblem, Peer
from ..live import Live
from ..reply import Reply, render, render_partial
from . import memory, wire
from .call import Call, CallFailed
from .files import save_files
from .memory import Thread
from .pool import Client, Pool

_NEW_THREAD = (
    "(The agent no longer knows what was said to it before: this is a new conversation.)\n"
)
_locks: weakref.WeakValueDictionary[tuple[object, ...], asyncio.Lock] = (
    weakref.WeakValueDictionary()
)


@cache
def _pool() -> Pool:
    live = live_module.get()
    pool = Pool(live.settings)
    live.on_change.append(pool.follow)
    pool.follow(live.catalog())
    return pool


def _turn(context: Any, peer: Peer) -> asyncio.Lock:
    """The lock of one dialogue: parallel calls would mix two requests in one A2A context."""
    key = (id(asyncio.get_running_loop()), *memory.thread_key(context, peer))
    lock = _locks.get(key)
    if lock is None:
        lock = _locks[key] = asyncio.Lock()
    return lock


async def ask(live: Live, peer: Peer, request: str, tool_context: Any) -> Any:
    """Send `request` to `peer` and give the model its answer, or the reason why there is none."""
    async with _turn(tool_context, peer), _pool().lease(peer) as client:
        dialogue = Dialogue(live, peer, tool_context, client)
        kagent = _kagent()
        if kagent is not None:
            return await kagent.ask(dialogue, request)
        confirmation = tool_context.tool_confirmation
        if confirmation is not None and not confirmation.confirmed:
            return {"result": not_approved(peer)}
        return {"result": await dialogue.ask(request)}


def not_approved(peer: Peer) -> str:
    """What the model reads where a person did not approve the call."""
    return f"The call of agent {peer.toolName} was not approved."


@dataclass
class Dialogue:
    """One call of one peer within a session, with what the session knows of the peer."""

    live: Live
    peer: Peer
    tool_context: Any
    client: Client

    def __post_init__(self) -> None:
        # Before the call: a peer that was asked in vain stands in the history as well.
        self.thread = memory.recall(self.tool_context, self.peer)
        self._is_new = False
        memory.remember(self.tool_context, self.peer, self.thread)

    async def ask(self, request: str) -> str:
        """Send a request; returns what the model reads of the answer, or of the failure."""
        while True:
            try:
                return await self.answer(await self.send(request))
            except CallFailed as failure:
                if not self.forget_thread(failure):
                    return await self.explain(failure)

    async def send(self, request: str) -> Reply:
        """Send a request in the thread; raises `CallFailed`."""
        message = wire.text_message(request, self.thread.context_id, self.thread.task_id)
        return await self.call().send(message)

    def call(self) -> Call:
        """A call of the peer."""
        return Call(self.peer, self.client, self.live.settings)

    def forget_thread(self, failure: CallFailed) -> bool:
        """Drop what the peer no longer knows; returns whether the request can be sent anew.

        The question that waited for this answer may be gone, or the whole conversation, where the
        peer keeps them in memory. The request still deserves to be heard. Each time there is less of
        the thread, so that this ends.
        """
        before = self.thread
        if failure.task_gone and before.task_id:
            self.thread = Thread(before.context_id)
        elif failure.context_gone:
            self.thread = Thread()
            self._is_new = True
        return self.thread != before

    async def answer(self, reply: Reply) -> str:
        """Remember how the thread goes on; returns what the model reads of a reply."""
        self.note_answered(reply, task_id=reply.task_id if reply.state.waits else "")
        settings = self.live.settings
        note = await save_files(reply, self.peer, self.tool_context, settings.max_file_bytes)
        limit = settings.max_reply_characters
        text = render(reply, self.peer.toolName, limit=limit, note=note)
        return _NEW_THREAD + text if self._is_new else text

    def note_answered(self, reply: Reply, *, task_id: str = "") -> None:
        """Remember how the thread goes on, `task_id` being the task that waits for the next message."""
        self.live.note_called(self.peer.toolName)
        self._remember(reply, task_id)

    async def explain(self, failure: CallFailed) -> str:
        """What the model reads of a call that failed, with what had come of the answer."""
        self.live.note_failed(self.peer.toolName, failure.problem, str(failure))
        self._remember(failure.reply, "")
        advice = ""
        if failure.problem is CallProblem.ANSWER_TOO_LARGE:
            advice = " Ask it for less, such as a summary or one part."
        limit = self.live.settings.max_reply_characters
        return render_partial(f"{failure}{advice}", failure.reply, limit=limit)

    def _remember(self, reply: Reply, task_id: str) -> None:
        thread = Thread(reply.context_id or self.thread.context_id, task_id)
        memory.remember(self.tool_context, self.peer, thread)


@cache
def _kagent() -> Any:
    """kagent's own way of asking a sub-agent, where the agent runs on kagent; else None."""
    try:
        from . import kagent  # noqa: PLC0415 - kagent may not be there
    except ImportError:
        return None
    return kagent if kagent.is_present() else None
