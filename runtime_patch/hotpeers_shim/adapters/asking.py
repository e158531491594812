"""Asks a peer for a session: one call of a dialogue at a time, through kagent's tool on kagent."""

from __future__ import annotations

import asyncio
import weakref
from functools import cache
from typing import Any

from .. import live as live_module
from ..calls.pool import Pool
from ..contract import Peer
from ..live import Live
from . import kagent, memory
from .dialogue import Dialogue, not_approved

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
    """The lock of one dialogue. Parallel calls would mix two requests in one A2A context."""
    key = (id(asyncio.get_running_loop()), *memory.thread_key(context, peer))
    lock = _locks.get(key)
    if lock is None:
        lock = _locks[key] = asyncio.Lock()
    return lock


async def ask(live: Live, peer: Peer, request: str, tool_context: Any) -> Any:
    """Send `request` to `peer`. Returns the answer, or the reason of a failure, for the model."""
    async with _turn(tool_context, peer), _pool().lease(peer) as client:
        dialogue = Dialogue(live, peer, tool_context, client)
        if kagent.is_present():
            return await kagent.ask(dialogue, request)
        confirmation = tool_context.tool_confirmation
        if confirmation is not None and not confirmation.confirmed:
            return {"result": not_approved(peer)}
        return {"result": await dialogue.ask(request)}
