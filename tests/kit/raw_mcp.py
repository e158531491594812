"""A client of MCP over plain HTTP that no SDK wrote."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import aiohttp


class RawSession:
    """A session of MCP 2025-11-25 that no SDK made."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, session: str, more: dict[str, str]
    ) -> None:
        self._http = http
        self._url = url
        self.headers = {
            **more,
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Mcp-Session-Id": session,
            "MCP-Protocol-Version": "2025-11-25",
        }

    @classmethod
    async def begin(
        cls, http: aiohttp.ClientSession, url: str, more: dict[str, str] | None = None
    ) -> RawSession:
        body = {
            "jsonrpc": "2.0",
            "id": 0,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "raw", "version": "0"},
            },
        }
        accept = {"Accept": "application/json, text/event-stream", **(more or {})}
        async with http.post(url, json=body, headers=accept) as response:
            assert response.status == 200, await response.text()
            session = response.headers["Mcp-Session-Id"]
        made = cls(http, url, session, more or {})
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with http.post(url, json=note, headers=made.headers) as response:
            assert response.status == 202
        return made

    async def call(self, number: int, tool: str, **arguments: Any) -> dict[str, Any]:
        body = request_of(number, tool, **arguments)
        async with self._http.post(self._url, data=body, headers=self.headers) as response:
            assert response.status == 200, await response.text()
            return answer_in(await response.text())

    async def call_on(self, number: int, tool: str, **arguments: Any) -> dict[str, Any] | None:
        """A call that takes up its stream again if it breaks; None if the connection broke before it."""
        body = request_of(number, tool, **arguments)
        event, text = "", ""
        try:
            async with self._http.post(self._url, data=body, headers=self.headers) as response:
                assert response.status == 200, await response.text()
                async for line in response.content:
                    text += line.decode()
                    if line.startswith(b"id:"):
                        event = line.decode().removeprefix("id:").strip()
            return answer_in(text)
        except (aiohttp.ClientError, AssertionError):
            for _ in range(3 if event else 0):
                with suppress(aiohttp.ClientError):
                    return await self.rest(event)
        return None

    async def first_event(self, number: int, tool: str, **arguments: Any) -> dict[str, str]:
        """Begin a call, break the connection after its first event, and return the fields of that."""
        body = request_of(number, tool, **arguments)
        async with self._http.post(self._url, data=body, headers=self.headers) as response:
            assert response.status == 200, await response.text()
            fields = {}
            while line := (await response.content.readline()).decode().strip():
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            response.close()
        return fields

    async def rest(self, event: str) -> dict[str, Any]:
        """The answer in the rest of a stream after an event."""
        headers = {**self.headers, "Last-Event-ID": event}
        async with self._http.get(self._url, headers=headers) as response:
            assert response.status == 200, await response.text()
            return answer_in(await response.text())


def answer_in(text: str) -> dict[str, Any]:
    for line in text.splitlines():
        if line.startswith("data:") and '"id"' in line:
            return dict(json.loads(line.removeprefix("data:")))
    raise AssertionError(f"no answer in {text!r}")


def request_of(number: int, tool: str, **arguments: Any) -> bytes:
    params = {"name": tool, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return json.dumps(body).encode()
