"""Ten conversations with one agent that go on while it changes, and how each turn ended."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

_LIMIT = aiohttp.ClientTimeout(total=120, connect=5)
_METHODS = ("message/send", "message/stream")
SECONDS = (0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0, 8.0)
"""How long the turns of each conversation take; the first two show what is live."""


@dataclass
class Conversations:
    """The results of the turns."""

    url: str
    turns: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Keep all conversations running until stopped, and let the turns in flight end."""
        async with aiohttp.ClientSession(timeout=_LIMIT) as session:
            await asyncio.gather(*(self._keep_talking(session, one) for one in SECONDS))

    def stop(self) -> None:
        """Begin no further turn."""
        self._stop.set()

    async def _keep_talking(self, session: aiohttp.ClientSession, seconds: float) -> None:
        thread = str(uuid.uuid4())
        number = 0
        while not self._stop.is_set():
            method = _METHODS[number % 2]
            try:
                failure = await self._take(session, method, thread, seconds)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                failure = f"{type(error).__name__}: {error}"
            self.turns += 1
            if failure:
                self.failed.append(f"{method} of {seconds:g} s: {failure}")
            number += 1
            await asyncio.sleep(0.2)

    async def _take(
        self, session: aiohttp.ClientSession, method: str, thread: str, seconds: float
    ) -> str:
        message = {
            "kind": "message",
            "role": "user",
            "messageId": str(uuid.uuid4()),
            "contextId": thread,
            "parts": [{"kind": "text", "text": f"Take {seconds:g} s"}],
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}}
        async with session.post(self.url, json=body) as answer:
            if method == "message/send":
                said = await answer.json(content_type=None)
                state = said.get("result", {}).get("status", {}).get("state")
                return "" if state == "completed" else json.dumps(said)[:300]
            last: dict[str, Any] = {}
            async for line in answer.content:
                if line.startswith(b"data:"):
                    last = json.loads(line[5:])
        result = last.get("result", {})
        state = result.get("status", {}).get("state")
        return "" if (result.get("final"), state) == (True, "completed") else json.dumps(last)[:300]


@contextmanager
def conversations(url: str) -> Iterator[Conversations]:
    """Talk to the agent at that URL in the background; all turns have ended behind the block."""
    made = Conversations(url)
    thread = threading.Thread(target=lambda: asyncio.run(made.run()), name="conversations")
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join()
