"""The two ways in which the raw peer answers a message: in a stream, and whole."""

import asyncio
from typing import Any

import raw_wire as wire
from raw_http import Cut, Response
from raw_route import Query
from raw_task import Listener, Task


async def answer_stream(
    query: Query, task: Task, listener: Listener, response: Response, reply: dict[str, Any]
) -> None:
    """Server-sent events until the script ends, or says otherwise. Raises `Cut` where it says so."""
    try:
        kind = reply.get("type", "text/event-stream")
        await response.begin(kind=kind, gzip=bool(reply.get("gzip")))
        while True:
            what, content = await listener.items.get()
            if what == "cut":
                raise Cut(hard=content)
            data = _bytes(query, what, content, reply)
            await response.send(data[: len(data) // 2] if what == "half" else data)
            if what == "half":
                raise Cut
            if what in ("end", "error"):
                await response.end()
                return
    finally:
        task.leave(listener)


def _bytes(query: Query, what: str, content: Any, reply: dict[str, Any]) -> bytes:
    eol = reply.get("eol", "\n").encode()
    if what == "raw":
        return str(content).encode()
    if what == "comment":
        return b": " + str(content).encode() + eol + eol
    if what == "end":
        return b""
    head = b""
    if what == "error":
        # a2a-sdk 1.x recognizes an error by the name of its event.
        head = b"event: error" + eol if query.form == wire.V1 else b""
        data = wire.encoded({**wire.error(content, rest=query.rest)[1], **query.own()})
    else:
        data = query.result(wire.event(content, query.form), pretty=bool(reply.get("lines")))
    return head + b"".join(b"data: " + line + eol for line in data.split(b"\n")) + eol


async def answer_whole(
    query: Query, task: Task, listener: Listener, response: Response, script: dict[str, Any]
) -> None:
    """The task or message when it is done, or with `at_once` its state after the first event.

    Raises `Cut` where the script cuts the connection before that.
    """
    done = task.started if script.get("at_once") else task.settled
    try:
        await _wait(done, listener)
    finally:
        task.leave(listener)
    reply = script.get("reply", {})
    body = query.result(wire.event(task.result(), query.form), pretty=bool(reply.get("lines")))
    kind = reply.get("type", "application/json")
    await response.whole(body, kind=kind, gzip=bool(reply.get("gzip")))


async def _wait(done: asyncio.Event, listener: Listener) -> None:
    """Wait for `done`, while the events of a stream are left unread, until one of them is a cut."""
    waiting = asyncio.create_task(done.wait())
    while not waiting.done():
        item = asyncio.create_task(listener.items.get())
        await asyncio.wait({waiting, item}, return_when=asyncio.FIRST_COMPLETED)
        if item.done() and item.result()[0] in ("cut", "half"):
            waiting.cancel()
            raise Cut
        item.cancel()
