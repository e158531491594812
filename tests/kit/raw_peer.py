"""A peer over plain HTTP that no SDK wrote: A2A 0.3 over JSON-RPC, with tasks that take their time.

The text of a message says what the peer does: `sleep S` works for S seconds, `ask` asks back,
`fail` fails, `drop` closes the connection, `big N` answers with N characters. Otherwise it repeats the text.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from kit.servers import serving


@dataclass
class RawPeer:
    """What the peer got, and how it behaves.

    `streams`: whether it has `message/stream`. `own_contexts`: whether it refuses contexts that it
    did not make, as kagent 1.x does.
    """

    name: str = "raw"
    streams: bool = False
    own_contexts: bool = False
    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    contexts: set[str] = field(default_factory=set)
    got: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def texts(self) -> list[str]:
        return [_text(message) for message in self.messages]

    def entry(self, **more: Any) -> dict[str, Any]:
        """This peer in a peer file."""
        interface = {
            "url": f"{self.url}/",
            "binding": "JSONRPC",
            "protocolVersion": "0.3.0",
            "streaming": self.streams,
        }
        return {
            "name": self.name,
            "url": f"{self.url}/",
            "uid": f"uid-{self.name}",
            "interfaces": [interface],
            **more,
        }

    async def card(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "name": self.name,
                "description": "A raw peer",
                "version": "1",
                "protocolVersion": "0.3.0",
                "url": f"{self.url}/",
                "preferredTransport": "JSONRPC",
                "capabilities": {"streaming": self.streams},
                "defaultInputModes": ["text"],
                "defaultOutputModes": ["text"],
                "skills": [],
            }
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.methods.append(body["method"])
        number, params = body["id"], body.get("params") or {}
        if body["method"].startswith("tasks/"):
            return self._answer_about_task(number, body["method"], params)
        message = params["message"]
        self.messages.append(message)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.got.set()
        context = message.get("contextId")
        if context and self.own_contexts and context not in self.contexts:
            return _error(number, -32602, f"contextId {context} not found")
        context = context or str(uuid.uuid4())
        self.contexts.add(context)
        if _text(message).startswith("drop"):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        task = self.tasks.get(message.get("taskId", "")) or {
            "kind": "task",
            "id": str(uuid.uuid4()),
            "contextId": context,
        }
        task["status"] = {"state": "working", "message": _message("reading")}
        self.tasks[task["id"]] = task
        work = asyncio.create_task(self._work(task, _text(message)))
        if body["method"] == "message/send":
            await asyncio.shield(work)
            return _result(number, task)
        stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await stream.prepare(request)
        await _event(stream, number, task)
        await asyncio.shield(work)
        await _event(stream, number, task)
        return stream

    def _answer_about_task(self, number: Any, method: str, params: dict[str, Any]) -> web.Response:
        task = self.tasks.get(params["id"])
        if task is None:
            return _error(number, -32001, "Task not found")
        if method == "tasks/resubscribe":
            return _error(number, -32601, "Method not found")
        if method == "tasks/cancel":
            task["status"] = {"state": "canceled"}
        return _result(number, task)

    async def _work(self, task: dict[str, Any], text: str) -> None:
        word, _, rest = text.partition(" ")
        if word == "sleep":
            end = asyncio.get_running_loop().time() + float(rest.split()[0])
            while asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.02)
                if task["status"]["state"] != "working":
                    return
        state = {"ask": "input-required", "fail": "failed"}.get(word, "completed")
        task["status"] = {"state": state}
        if state == "completed":
            said = "x" * int(rest) if word == "big" else text
            part = {"kind": "text", "text": f"{self.name} heard: {said}"}
            task["artifacts"] = [{"artifactId": "a", "parts": [part]}]
        else:
            task["status"]["message"] = _message(f"{self.name}: {text}")


def _text(message: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in message["parts"])


def _message(text: str) -> dict[str, Any]:
    part = {"kind": "text", "text": text}
    return {"kind": "message", "role": "agent", "messageId": str(uuid.uuid4()), "parts": [part]}


def _result(number: Any, result: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": number, "result": result})


def _error(number: Any, code: int, message: str) -> web.Response:
    error = {"code": code, "message": message}
    return web.json_response({"jsonrpc": "2.0", "id": number, "error": error})


async def _event(stream: web.StreamResponse, number: Any, result: Any) -> None:
    data = json.dumps({"jsonrpc": "2.0", "id": number, "result": result})
    await stream.write(f"data: {data}\n\n".encode())


@asynccontextmanager
async def running_peer(peer: RawPeer | None = None) -> AsyncIterator[RawPeer]:
    """Serve a peer on loopback while the context is open."""
    peer = peer or RawPeer()
    app = web.Application(client_max_size=16 * 2**20)
    app.router.add_post("/", peer.answer)
    app.router.add_get("/.well-known/agent-card.json", peer.card)
    async with serving(app) as peer.url:
        yield peer
