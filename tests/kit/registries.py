"""A registry that speaks agentregistry's API over HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

KINDS = {"agents": "Agent", "prompts": "Prompt", "mcpservers": "MCPServer", "skills": "Skill"}


@dataclass
class FakeRegistry:
    """Entries by kind. `fault` is asked first, and may answer or stall in the registry's place."""

    entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fault: Callable[[web.Request], Any] | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def put(self, plural: str, name: str, tag: str = "latest", **spec: Any) -> None:
        self.entries.setdefault(plural, []).append(
            {
                "apiVersion": "ar.dev/v1alpha1",
                "kind": KINDS[plural],
                "metadata": {"name": name, "tag": tag, "updatedAt": "2026-08-01T00:00:00Z"},
                "spec": spec,
                "status": {},
            }
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if self.fault is not None:
            said = self.fault(request)
            said = await said if asyncio.iscoroutine(said) else said
            if said is not None:
                return said
        plural, *rest = request.match_info["path"].split("/")
        if rest:
            return self._one(plural, *rest)
        return self._page(plural, request)

    def _one(self, plural: str, name: str, tag: str = "latest") -> web.Response:
        for one in self.entries.get(plural, []):
            if (one["metadata"]["name"], one["metadata"]["tag"]) == (name, tag):
                return web.json_response(one)
        problem = {"status": 404, "title": "Not Found", "detail": f"{plural} {name} not found"}
        return web.json_response(problem, status=404, content_type="application/problem+json")

    def _page(self, plural: str, request: web.Request) -> web.Response:
        start = int(base64.b64decode(request.query.get("cursor", "")) or b"0")
        end = start + int(request.query.get("limit", "50"))
        entries = self.entries.get(plural, [])
        body: dict[str, Any] = {"items": entries[start:end]}
        if end < len(entries):
            body["nextCursor"] = base64.b64encode(str(end).encode()).decode()
        return web.json_response(body)


@asynccontextmanager
async def running_registry() -> AsyncIterator[FakeRegistry]:
    """One with an agent of instructions and a server of tools."""
    made = FakeRegistry()
    app = web.Application()
    app.router.add_get("/v0/{path:.+}", made.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        made.url = str(server.make_url("")).rstrip("/")
        made.put("prompts", "translator-prompt", content="You translate.\nBe exact.\n")
        made.put("mcpservers", "dictionary", remote={"type": "http", "url": "http://dict:80/mcp"})
        made.put(
            "agents",
            "acme.translator",
            title="Translator",
            description="Translates documents between languages",
            instructions={"kind": "Prompt", "name": "translator-prompt"},
            mcpServers=[{"kind": "MCPServer", "name": "dictionary"}],
        )
        yield made
