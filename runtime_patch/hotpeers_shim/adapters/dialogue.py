"""One session's dialogue with one peer: one contextId, one call at a time, an open question resumed."""

from __future__ import annotations

import asyncio
import weakref
from functools import cache
from typing import Any

from .. import live as live_module
from ..contract import Peer
from ..live import Live
from . import memory, wire
from .call import Call, CallFailed, question
from .pool import Pool
from .wire import Reply, State

_locks: weakref.WeakValueDictionary[tuple[int, str], asyncio.Lock] = weakref.WeakValueDictionary()


@cache
def _pool() -> Pool:
    pool, live = Pool(), live_module.get()
    live.on_change.append(pool.follow)
    pool.follow(live.catalog())
    return pool


def _turn(context_id: str) -> asyncio.Lock:
    """The lock of one dialogue: parallel calls would mix two requests in one A2A context."""
    key = (id(asyncio.get_running_loop()), context_id)
    lock = _locks.get(key)
    if lock is None:
        lock = _locks[key] = asyncio.Lock()
    return lock


async def ask(live: Live, peer: Peer, request: str, tool_context: Any) -> Any:
    """Send `request` to `peer` and give the model its answer, or the reason why there is none."""
    confirmation = tool_context.tool_confirmation
    context_id = memory.context_id(tool_context, peer)
    async with _turn(context_id), _pool().lease(peer) as client:
        # Before the call: a peer that was asked in vain stands in the history as well.
        open_task = memory.recall(tool_context, peer).get("taskId", "")
        memory.remember(tool_context, peer, task_id=open_task)
        kagent = _kagent()
        call = Call(peer, client, live.settings)
        if kagent is not None:
            return await kagent.ask(call, request, tool_context, context_id, open_task)
        if confirmation is not None and not confirmation.confirmed:
            return {"result": f"The call of agent {peer.toolName} was not approved."}
        try:
            reply = await _send(call, request, context_id, open_task)
        except CallFailed as failure:
            return {"result": str(failure)}
        return {"result": answer(peer, reply, tool_context)}


async def _send(call: Call, request: str, context_id: str, open_task: str) -> Reply:
    try:
        return await call.send(wire.text_message(request, context_id, open_task))
    except CallFailed as failure:
        if not (open_task and failure.task_gone):
            raise
    # The question that waited for this answer is gone, with the peer's memory of it perhaps: the
    # request still deserves to be heard, as the start of a new task.
    return await call.send(wire.text_message(request, context_id))


def answer(peer: Peer, reply: Reply, tool_context: Any) -> str:
    """What the model is told of a reply; an open question is remembered, to be resumed."""
    name = peer.toolName
    waiting = reply.state in (State.INPUT_REQUIRED, State.AUTH_REQUIRED)
    memory.remember(tool_context, peer, task_id=reply.task_id if waiting else "")
    match reply.state:
        case State.INPUT_REQUIRED:
            return question(name, reply.text)
        case State.AUTH_REQUIRED:
            return f"Agent {name} needs to be authorised before it can go on: {reply.text}"
        case State.FAILED | State.CANCELED | State.REJECTED:
            return f"Agent {name} ended with {reply.state}: {reply.text or 'it gave no reason'}"
    return reply.text


@cache
def _kagent() -> Any:
    """kagent's own way of asking a sub-agent, where the agent runs on kagent; else None."""
    try:
        from . import kagent  # noqa: PLC0415 - kagent may not be there
    except ImportError:
        return None
    return kagent if kagent.is_present() else None
