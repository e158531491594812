"""Streams keep a bounded number of answers, for a bounded time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hotpeers.mcp import streams
from hotpeers.mcp.streams import Streams

SSE = [(b"content-type", b"text/event-stream")]


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": SSE})
    body = b"data: " + b"x" * 1000 + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def ask(made: Streams, number: Any) -> list[dict[str, Any]]:
    """Call a tool. Returns what was sent."""
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call"}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    headers = [(b"mcp-protocol-version", b"2025-11-25"), (b"mcp-session-id", b"s")]
    return await request(made, "POST", headers, messages)


async def resume(made: Streams, event: str) -> bytes:
    sent = await request(made, "GET", [(b"last-event-id", event.encode())], [])
    return b"".join(one.get("body", b"") for one in sent)


async def request(made: Streams, method: str, headers: Any, messages: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await made(
        {"type": "http", "path": "/mcp", "method": method, "headers": headers}, receive, send
    )
    return sent


def event_of(sent: list[dict[str, Any]]) -> str:
    return str(sent[1]["body"].split(b"\n")[0].removeprefix(b"id: ").decode())


async def test_ended_streams_are_kept_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_KEPT_BYTES", 10_000)
    made = Streams(application, "/mcp", 1000)
    events = [event_of(await ask(made, number)) for number in range(100)]
    assert b"xxx" in await resume(made, events[-1])
    assert b"AnswerLost" in await resume(made, events[0])
    kept = [event for event in events if b"xxx" in await resume(made, event)]
    assert kept == events[-len(kept) :]
    assert 5 <= len(kept) < 10


async def test_ended_streams_are_kept_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Streams(application, "/mcp", 1000)
    first = event_of(await ask(made, 1))
    assert b"xxx" in await resume(made, first)
    monkeypatch.setattr(streams, "KEPT_SECONDS", -1.0)
    await ask(made, 2)
    assert b"AnswerLost" in await resume(made, first)


async def test_request_with_a_very_long_id_is_answered_without_an_event_id() -> None:
    sent = await ask(Streams(application, "/mcp", 10_000), "i" * 1000)
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
