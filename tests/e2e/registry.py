"""A registry on this machine that pods reach; it speaks agentregistry's API."""

from __future__ import annotations

import asyncio
import threading

from aiohttp import web

from kit.node import addresses
from kit.registries import FakeRegistry

_PORT = 8084
_SECONDS = 10.0
REGISTRY_URL = f"http://{addresses.HOST}:{_PORT}"


class Registry:
    """Serves from `start` to `close`, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self.entries = FakeRegistry()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="registry")
        app = web.Application()
        app.router.add_get("/v0/{path:.+}", self.entries.answer)
        self._runner = web.AppRunner(app, access_log=None)

    def put(self, name: str, description: str, instructions: str) -> None:
        """Publish an agent that is made of instructions."""
        prompt = f"{name}-instructions"
        self.entries.put("prompts", prompt, content=instructions)
        reference = {"kind": "Prompt", "name": prompt}
        self.entries.put("agents", name, description=description, instructions=reference)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(_SECONDS)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()

    async def _serve(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, addresses.HOST, _PORT).start()
