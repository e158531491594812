"""An MCP client in Go, built from the SDK that its go.mod pins; main.go says what it does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kit.apiserver.gobuild import Module, Say, ensure, say_aloud

MODULE = Module("goclient", Path(__file__).parent, {"goclient": "."}, takes="ten seconds")


def program(say: Say = say_aloud) -> Path:
    """The client, built if need be. Raises `NoBinariesError` if it cannot be."""
    return ensure(MODULE, say) / "goclient"


class GoClient:
    """A connected client. `first` is what it listed at its start."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.first: dict[str, Any] = {}

    async def answer(self) -> dict[str, Any]:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 90)
        assert line, "the client ended"
        return dict(json.loads(line))

    def begin(self, tool: str = "", arguments: Mapping[str, Any] | None = None) -> None:
        """Begin a turn: list the tools, and call one if it is named."""
        assert self._process.stdin is not None
        line = json.dumps({"tool": tool, "arguments": dict(arguments or {})})
        self._process.stdin.write(f"{line}\n".encode())

    async def turn(self, tool: str = "", **arguments: Any) -> dict[str, Any]:
        """A whole turn."""
        self.begin(tool, arguments)
        return await self.answer()


@asynccontextmanager
async def go_client(
    built: Path, url: str, version: str, token: str = ""
) -> AsyncIterator[GoClient]:
    """A client of the server at `url`, which asks for a protocol version; "" is its newest."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        built, url, version, stdin=pipe, stdout=pipe, env={**os.environ, "MCP_TOKEN": token}
    )
    try:
        client = GoClient(process)
        client.first = await client.answer()
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)
