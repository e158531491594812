"""The gateway of kagent 1.x over plain HTTP, which no SDK wrote: A2A v1 alone, in Sessions that it makes.

It does what kagent's `a2agateway` does (kagent 1.0): a first message without ids makes a Session, whose
id comes back as contextId; a contextId of the caller's own choice, of another user or of another Agent is
refused; a Session has one active task; a message that it did not take is refused with a reason and may be
sent again; the same first message (creator, Agent, messageId) runs once; a disconnect cancels nothing.

The text of a message says what the Agent does: `sleep S` works for S seconds, `ask` asks back, `fail`
fails, `busy N` is not taken N times, `pause` is refused as while a Session is being suspended. Otherwise
the Agent repeats the text.

As a program (`python gateway.py`) it prints its address as one JSON line. POST /control/config sets
fields of `Gateway`, POST /control/forget loses all Sessions, GET /control/log returns the requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ADMIN = "admin@kagent.dev"
NOT_FOUND, NO_METHOD, BAD_REQUEST = -32001, -32601, -32600
UNSUPPORTED, NO_VERSION, UNAUTHORIZED = -32004, -32009, -31403
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


@dataclass
class Session:
    """A conversation: who made it, with which Agent, and its active task."""

    id: str
    creator: str
    agent: str
    active: dict[str, Any] | None = None


class Refused(Exception):
    """The request is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"code": code, "message": message}
        if metadata:
            info = {"@type": _ERROR_INFO, "domain": "a2a-protocol.org", "metadata": metadata}
            self.error["data"] = [info | {"reason": "UNSUPPORTED_OPERATION"}]


@dataclass
class Gateway:
    """What the gateway got, and how it behaves.

    `tokens` are the accepted bearer tokens with their users, as in `trusted-proxy` mode; without any, the
    mode is `insecure`, where X-User-Id names the user. `public` is kagent's `a2aGatewayUrl`. `patience` is
    how many seconds a message waits for the end of an active task. `retry_after` is in milliseconds.
    `turned_away` are HTTP statuses that the next requests get from a proxy, with Retry-After: 1.
    """

    agents: dict[str, str] = field(default_factory=lambda: {"team/weather": "Tells the weather"})
    tokens: dict[str, str] = field(default_factory=dict)
    public: str = "https://kagent.example.com/a2a"
    patience: float = 0.2
    retry_after: str = "100"
    turned_away: list[int] = field(default_factory=list)
    url: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    firsts: dict[tuple[str, str, str], Session] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    """The texts that an Agent worked on, once for each time."""
    work: set[asyncio.Task[None]] = field(default_factory=set)

    def messages(self) -> list[dict[str, Any]]:
        """Each message that arrived, also those that were refused."""
        return [one["params"]["message"] for one in self.log if "message" in one["params"]]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_get("/agents/{ns}/{name}/.well-known/agent-card.json", self.card)
        app.router.add_post("/agents/{ns}/{name}", self.answer)
        app.router.add_post("/control/{what}", self._control)
        app.router.add_get("/control/log", self._control)
        return app

    async def _control(self, request: web.Request) -> web.Response:
        what = request.match_info.get("what", "log")
        if what == "config":
            for name, value in (await request.json()).items():
                setattr(self, name, value)
        elif what == "forget":
            self.sessions.clear()
            self.tasks.clear()
            self.firsts.clear()
        return web.json_response({"log": self.log, "runs": self.runs})

    def _user(self, request: web.Request) -> str | None:
        if not self.tokens:
            return request.headers.get("X-User-Id") or ADMIN
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.tokens.get(token) if kind == "Bearer" else None

    def _note(self, request: web.Request, method: str, params: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.log.append({"method": method, "params": params, "headers": headers})

    async def card(self, request: web.Request) -> web.Response:
        self._note(request, "card", {})
        agent = "{ns}/{name}".format(**request.match_info)
        if self._user(request) is None:
            return web.json_response({"error": "authentication is required"}, status=401)
        if agent not in self.agents:
            return web.json_response({"error": "not found"}, status=404)
        ways = [(f"{self.public}/agents/{agent}", "JSONRPC"), (self.public, "GRPC")]
        return web.json_response(
            {
                "name": agent.partition("/")[2],
                "description": self.agents[agent],
                "version": "1",
                "capabilities": {"streaming": True, "extendedAgentCard": True},
                "defaultInputModes": ["text"],
                "defaultOutputModes": ["text"],
                "skills": [],
                "supportedInterfaces": [
                    {"url": u, "protocolBinding": b, "protocolVersion": "1.0", "tenant": agent}
                    for u, b in ways
                ],
            }
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number, method, params = body.get("id"), body.get("method", ""), body.get("params") or {}
        self._note(request, method, params)
        if self.turned_away:
            return web.Response(status=self.turned_away.pop(0), headers={"Retry-After": "1"})
        user = self._user(request)
        if user is None:
            return web.json_response({"error": "authentication is required"}, status=401)
        try:
            agent = "{ns}/{name}".format(**request.match_info)
            return await self._call(request, number, method, params, Caller(user, agent))
        except Refused as refused:
            return web.json_response({"jsonrpc": "2.0", "id": number, "error": refused.error})

    async def _call(
        self, request: web.Request, number: Any, method: str, params: Any, caller: Caller
    ) -> web.StreamResponse:
        if not request.headers.get("A2A-Version", "0.3").startswith("1."):
            raise Refused(NO_VERSION, "this version of the protocol is not supported")
        if params.get("tenant") != caller.agent:
            raise Refused(BAD_REQUEST, "the tenant is not that of the path")
        if method in ("SendMessage", "SendStreamingMessage"):
            task = await self._send(params["message"], caller)
            if method == "SendStreamingMessage":
                return await self._stream(request, number, task)
            await asyncio.shield(task["done"].wait())
            return _result(number, {"task": _shown(task)})
        if method in ("GetTask", "CancelTask", "SubscribeToTask"):
            task = self._task(params.get("id", ""), caller)
            if method == "CancelTask":
                self._end(task, "CANCELED")
            if method == "SubscribeToTask":
                return await self._stream(request, number, task)
            return _result(number, _shown(task))
        raise Refused(NO_METHOD, "Method not found")

    def _task(self, name: str, caller: Caller) -> dict[str, Any]:
        task = self.tasks.get(name)
        if task is None:
            raise Refused(NOT_FOUND, "task not found")
        self._session(task["contextId"], caller)
        return task

    def _session(self, context: str, caller: Caller) -> Session:
        try:
            uuid.UUID(context)
        except ValueError:
            raise Refused(BAD_REQUEST, "invalid context ID") from None
        session = self.sessions.get(context)
        if session is None or session.creator != caller.user:
            raise Refused(UNAUTHORIZED, "not authorized")
        if session.agent != caller.agent:
            raise Refused(UNAUTHORIZED, "context does not belong to this Agent")
        return session

    async def _send(self, message: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The task that works on a message."""
        if caller.agent not in self.agents:
            raise Refused(UNAUTHORIZED, "not authorized")
        name, context = message.get("taskId", ""), message.get("contextId", "")
        task = self._task(name, caller) if name else None
        context = context or (task["contextId"] if task is not None else "")
        if context:
            session = self._session(context, caller)
        else:
            key = (caller.user, caller.agent, message["messageId"])
            if key not in self.firsts:
                made = Session(str(uuid.uuid4()), caller.user, caller.agent)
                self.sessions[made.id] = self.firsts[key] = made
            session = self.firsts[key]
            same = [one for one in self.tasks.values() if one["first"] == key]
            if same:
                return same[0]
        await self._dispatch(session, message)
        if task is None:
            first = None if context else (caller.user, caller.agent, message["messageId"])
            task = {"id": str(uuid.uuid4()), "contextId": session.id, "first": first}
            self.tasks[task["id"]] = task
        task["done"], task["state"], task["say"] = asyncio.Event(), "WORKING", "reading"
        session.active = task
        work = asyncio.create_task(self._work(session, task, _text(message)))
        self.work.add(work)
        work.add_done_callback(self.work.discard)
        return task

    async def _dispatch(self, session: Session, message: dict[str, Any]) -> None:
        """Wait for the active task of the Session; refuse the message if it goes on."""
        word, _, rest = _text(message).partition(" ")
        if word == "pause":
            raise Refused(UNSUPPORTED, "Session cannot accept work during a lifecycle operation")
        if session.active is not None:
            try:
                async with asyncio.timeout(self.patience):
                    await session.active["done"].wait()
            except TimeoutError:
                raise self._not_accepted() from None
        if word == "busy":
            count = self.refusals.setdefault(message["messageId"], 0)
            if count < int(rest):
                self.refusals[message["messageId"]] += 1
                raise self._not_accepted()

    def _not_accepted(self) -> Refused:
        text = "input was not accepted; retry after the session becomes available"
        reason = {"reason": "KAGENT_SEND_NOT_ACCEPTED", "retryAfterMs": self.retry_after}
        return Refused(UNSUPPORTED, text, **reason)

    async def _work(self, session: Session, task: dict[str, Any], text: str) -> None:
        self.runs.append(text)
        word, _, rest = text.partition(" ")
        if word == "sleep":
            await asyncio.sleep(float(rest))
        if task["state"] == "WORKING":
            task["say"] = f"{session.agent} heard: {text}"
            self._end(task, {"ask": "INPUT_REQUIRED", "fail": "FAILED"}.get(word, "COMPLETED"))

    def _end(self, task: dict[str, Any], state: str) -> None:
        task["state"] = state
        self.sessions[task["contextId"]].active = None
        task["done"].set()

    async def _stream(
        self, request: web.Request, number: Any, task: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await _event(response, number, {"task": _shown(task)})
        if task["state"] == "WORKING":
            await asyncio.shield(task["done"].wait())
            # As kagent does: the end of a task is the whole task, as it was stored.
            await _event(response, number, {"task": _shown(task)})
        return response


@dataclass(frozen=True)
class Caller:
    """The authenticated user, and the Agent of the path."""

    user: str
    agent: str


def _shown(task: dict[str, Any]) -> dict[str, Any]:
    shown = {"id": task["id"], "contextId": task["contextId"]}
    shown["status"] = {"state": f"TASK_STATE_{task['state']}", "timestamp": "2026-11-28T12:00:00Z"}
    if task["state"] == "COMPLETED":
        return {**shown, "artifacts": [{"artifactId": "a", "parts": [{"text": task["say"]}]}]}
    said = {"messageId": str(uuid.uuid4()), "role": "ROLE_AGENT", "parts": [{"text": task["say"]}]}
    shown["status"]["message"] = said
    return shown


def _text(message: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in message["parts"])


def _result(number: Any, result: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": number, "result": result})


async def _event(response: web.StreamResponse, number: Any, result: Any) -> None:
    data = json.dumps({"jsonrpc": "2.0", "id": number, "result": result})
    await response.write(f"data: {data}\n\n".encode())


@asynccontextmanager
async def running_gateway(gateway: Gateway | None = None) -> AsyncIterator[Gateway]:
    """Serve a gateway on loopback while the context is open."""
    gateway = gateway or Gateway()
    runner = web.AppRunner(gateway.app(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        for work in list(gateway.work):
            work.cancel()
        await runner.cleanup()


async def _main() -> None:
    async with running_gateway() as gateway:
        sys.stdout.write(json.dumps({"url": gateway.url}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
