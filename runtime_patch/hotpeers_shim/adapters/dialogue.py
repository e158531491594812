"""The dialogue of one session with one peer, in one A2A context.

If the peer has asked a question, the next request is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..calls import wire
from ..calls.call import Call
from ..calls.failure import CallFailed
from ..calls.observe import Caller
from ..calls.pool import Client
from ..calls.thread import Thread
from ..contract import CallProblem, Peer
from ..lineage import Link
from ..live import Live
from ..reply import Reply, render, render_partial
from . import incoming, memory
from .files import save_files

_NEW_THREAD = (
    "(The agent no longer knows what was said to it before: this is a new conversation.)\n"
)


def not_approved(peer: Peer) -> str:
    """The text for the model if a person did not approve the call."""
    return f"The call of agent {peer.toolName} was not approved."


@dataclass
class Dialogue:
    """One call of one peer within a session, with the session's thread with that peer."""

    live: Live
    peer: Peer
    tool_context: Any
    client: Client

    def __post_init__(self) -> None:
        # Remember the peer before the call: a failed call is also in the session's history.
        self.thread = memory.recall(self.tool_context, self.peer)
        self._is_new = False
        memory.remember(self.tool_context, self.peer, self.thread)

    async def ask(self, request: str) -> str:
        """Send a request. Returns the text of the answer, or of the failure, for the model."""
        while True:
            try:
                return await self.answer(await self.send(request))
            except CallFailed as failure:
                if not self.forget_thread(failure):
                    return await self.explain(failure)

    async def send(self, request: str) -> Reply:
        """Send a request in the thread. Raises `CallFailed`."""
        message = wire.text_message(request, self.thread.context_id, self.thread.task_id)
        return await self.call().send(message)

    def call(self) -> Call:
        """A new call of the peer, which has not been sent."""
        settings = self.live.settings
        name = self.live.catalog().orchestrator
        link = Link(name, incoming.current(), settings.max_depth)
        user = memory.user_of(self.tool_context)
        caller = Caller(name, user, incoming.current_trace())
        return Call(self.peer, self.client, settings, link=link, caller=caller)

    def forget_thread(self, failure: CallFailed) -> bool:
        """Drop the part of the thread that the peer has lost. Returns whether to send again."""
        before = self.thread
        self.thread = before.after(failure)
        self._is_new = self._is_new or (failure.context_gone and self.thread == Thread())
        return self.thread != before

    async def answer(self, reply: Reply) -> str:
        """Record the thread's new state. Returns the text of a reply for the model."""
        self.note_answered(reply, task_id=reply.task_id if reply.state.waits else "")
        settings = self.live.settings
        note = await save_files(reply, self.peer, self.tool_context, settings.max_file_bytes)
        limit = settings.max_reply_characters
        text = render(reply, self.peer.toolName, limit=limit, note=note)
        return _NEW_THREAD + text if self._is_new else text

    def note_answered(self, reply: Reply, *, task_id: str = "") -> None:
        """Record the thread's new state. `task_id` is the task that waits for the next message."""
        self.live.note_called(self.peer.toolName)
        self._remember(reply, task_id)

    async def explain(self, failure: CallFailed) -> str:
        """The text of a failed call for the model, with the part of the answer that arrived."""
        self.live.note_failed(self.peer.toolName, failure.problem, str(failure))
        # If nothing was sent, the peer's question still waits for its answer.
        self._remember(failure.reply, self.thread.task_id if failure.unsent else "")
        advice = ""
        if failure.problem is CallProblem.ANSWER_TOO_LARGE:
            advice = " Ask it for less, such as a summary or one part."
        limit = self.live.settings.max_reply_characters
        return render_partial(f"{failure}{advice}", failure.reply, limit=limit)

    def _remember(self, reply: Reply, task_id: str) -> None:
        thread = Thread(reply.context_id or self.thread.context_id, task_id)
        memory.remember(self.tool_context, self.peer, thread)
