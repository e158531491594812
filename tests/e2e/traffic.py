"""Turns with an orchestrator over its Service, many at once, and how each of them ended."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from e2e.slow_model import wish

_LIMIT = aiohttp.ClientTimeout(total=400, connect=5)


@dataclass(frozen=True)
class Turn:
    """One turn: the method, how long it was to take, and why it failed, "" where it did not."""

    method: str
    seconds: float
    failure: str
    took: float = 0.0


@dataclass
class Traffic:
    """Requests to one URL over keep-alive connections."""

    url: str
    session: aiohttp.ClientSession
    turns: list[Turn] = field(default_factory=list)

    @property
    def failed(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.failure]

    async def take(self, method: str, seconds: float) -> Turn:
        """Have one turn; it is noted however it ends."""
        began = time.monotonic()
        try:
            if method == "message/send":
                failure = await self._send(seconds)
            else:
                failure = await self._stream(seconds)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            failure = f"{type(error).__name__}: {error}"
        turn = Turn(method, seconds, failure, time.monotonic() - began)
        self.turns.append(turn)
        return turn

    async def begin(self, seconds: float) -> dict[str, Any]:
        """Begin a turn by a `message/send` that does not wait for its end; the answer."""
        body = _request("message/send", seconds)
        body["params"]["configuration"] = {"blocking": False}
        async with self.session.post(self.url, json=body) as answer:
            return dict(await answer.json(content_type=None))

    async def keep_taking(self, stop: asyncio.Event, pause: float = 0.1) -> None:
        """Run short turns one after the other, with both methods, until stopped."""
        methods = ("message/send", "message/stream")
        number = 0
        while not stop.is_set():
            await self.take(methods[number % 2], 0)
            number += 1
            await asyncio.sleep(pause)

    async def _send(self, seconds: float) -> str:
        async with self.session.post(self.url, json=_request("message/send", seconds)) as answer:
            return _wrong(await answer.json(content_type=None), seconds)

    async def _stream(self, seconds: float) -> str:
        last: dict[str, Any] = {}
        words: list[str] = []
        body = _request("message/stream", seconds)
        async with self.session.post(self.url, json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    last = json.loads(line[5:])
                    words.append(line.decode())
        if not last.get("result", {}).get("final"):
            return f"the stream ended without its last event, behind {len(words)} events"
        said = f"It took {seconds:g} s."
        return "" if any(said in word for word in words) else f"nobody said {said!r}"


@asynccontextmanager
async def traffic(url: str) -> AsyncIterator[Traffic]:
    """Traffic to that URL."""
    async with aiohttp.ClientSession(timeout=_LIMIT) as session:
        yield Traffic(url, session)


def _request(method: str, seconds: float) -> dict[str, Any]:
    message = {
        "kind": "message",
        "role": "user",
        "messageId": str(uuid.uuid4()),
        "contextId": str(uuid.uuid4()),
        "parts": [{"kind": "text", "text": wish(seconds)}],
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}}


def _wrong(answer: dict[str, Any], seconds: float) -> str:
    state = answer.get("result", {}).get("status", {}).get("state")
    said = f"It took {seconds:g} s."
    if state != "completed" or said not in json.dumps(answer):
        return json.dumps(answer)[:300]
    return ""
