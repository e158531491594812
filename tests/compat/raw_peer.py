"""An A2A peer without an SDK, which answers exactly as a test scripts it.

A process of its own. Speaks JSON-RPC (at `/`) and HTTP+JSON (below `/rest`) of A2A 0.3 and 1.x, and
answers each request in the form it came in. Prints its address as one JSON line.

    POST /script/KEY  what to do with the message whose text is KEY; /scripts {KEY: …} for many
    POST /config      {"streaming", "contexts", "resubscribe", "gets", "refusal", "card"}: see `Config`
    POST /forget      lose all tasks and contexts, as a restarted server does; /reset all but its address
    GET /log          each request: method, form, headers, body, text, taskId, contextId, tenant

A script is {"do": [step…], "reply": {…}, "at_once": bool}. Steps, in their order:

    {"artifact": ID, "parts", "name", "append", "last", "fold": false}   {"status": STATE, "say": parts}
    {"task": {"state", "say", "artifacts": {ID: parts}, "history": [parts], "without": [field]}}
    {"message": parts}  {"history": parts}  any of them with "half": true, cut in the middle of its line
    {"sleep": S} {"hang": 1} {"cut": 1 or "hard"} {"end": 1} {"raw": TEXT} {"comment": TEXT}
    {"error": {"name" or "code", "message"}}  {"repeat": N or 0 for ever, "do": [step…]}

`reply` bends the answer: {"status", "headers", "body"} in its place, {"drop": 1} without one, {"json": 1}
for JSON in place of a stream, {"gzip": 1}, {"type"}, {"eol": "\r\n"}, {"lines": 1} for events of many
`data:` lines. `before` are scripts for the first times that the message comes. `at_once` answers a message
that is not streamed with the task after the first event.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import raw_wire as wire
from raw_answer import answer_stream, answer_whole
from raw_http import Cut, Request, Response, serve
from raw_route import Query, route
from raw_task import TERMINAL, Task


class Refused(Exception):
    """The request is answered with an A2A error."""

    def __init__(self, name: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.error = {"name": name, "message": message, **more}


@dataclass
class Config:
    """How the peer is. `contexts`: `echo` takes what the caller names, `invent` names another, `refuse`
    knows only its own. `resubscribe`: `new` (0.3) or `snapshot` (1.x) or `none`; "" is as the form has it.
    `gets` is whether a task can be read.
    """

    streaming: bool = True
    contexts: str = "echo"
    resubscribe: str = ""
    gets: bool = True
    refusal: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)


class Peer:
    def __init__(self, url: str) -> None:
        self.url = url
        self.config = Config()
        self.scripts: dict[str, dict[str, Any]] = {}
        self.log: list[dict[str, Any]] = []
        self.tasks: dict[str, Task] = {}
        self.contexts: set[str] = set()

    async def handle(self, request: Request, response: Response) -> None:
        """Answer one request."""
        if await self._control(request, response):
            return
        query = route(request)
        if query is None:
            location = f"{request.path}/" if request.path == "/slash" else ""
            status, kind = (307, "text/plain") if location else (404, "text/html")
            await response.whole(b"<p>not here</p>", status, kind, location=location or "/")
            return
        self.log.append(query.logged(request))
        try:
            await self._answer(query, response)
        except Refused as refused:
            await self._refuse(query, response, refused.error)

    async def _control(self, request: Request, response: Response) -> bool:
        path, answer = request.path, b"{}"
        if path.startswith("/script/") and request.method == "POST":
            self.scripts[unquote(path.removeprefix("/script/"))] = request.json()
        elif path == "/scripts":
            self.scripts |= request.json()
        elif path == "/config":
            self.config = Config(**request.json())
        elif path == "/forget":
            self.tasks.clear()
            self.contexts.clear()
        elif path == "/reset":
            self.__init__(self.url)  # type: ignore[misc]
        elif path == "/log":
            answer = wire.encoded(self.log)
        elif path.endswith("/.well-known/agent-card.json"):
            self.log.append({"method": "card", "headers": request.headers, "text": ""})
            answer = wire.encoded(self._card())
        else:
            return False
        await response.whole(answer)
        return True

    def _card(self) -> dict[str, Any]:
        """A card that both generations read."""
        ways = [
            {"url": f"{self.url}/", "protocolBinding": "JSONRPC", "protocolVersion": version}
            for version in ("1.0", "0.3")
        ]
        return {
            "name": "raw",
            "description": "Answers what it is told to.",
            "version": "1",
            "protocolVersion": "0.3.0",
            "url": f"{self.url}/",
            "preferredTransport": "JSONRPC",
            "supportedInterfaces": ways,
            "capabilities": {"streaming": self.config.streaming},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [{"id": "raw", "name": "raw", "description": "Raw.", "tags": ["test"]}],
            **self.config.card,
        }

    async def _answer(self, query: Query, response: Response) -> None:
        if query.call == "unknown":
            raise Refused("method-not-found", f"no method {query.name}")
        if query.call in ("send", "stream"):
            if query.call == "stream" and not self.config.streaming:
                raise Refused("unsupported", "this agent does not stream")
            await self._hear(query, response)
            return
        if query.call == "get" and not self.config.gets:
            raise Refused("method-not-found", "this agent does not show tasks")
        task = self.tasks.get(query.task)
        if task is None:
            raise Refused("task-not-found", f"Task {query.task} was not found")
        if query.call == "cancel":
            if task.status["state"] in TERMINAL:
                raise Refused("not-cancelable", "the task is over")
            await task.cancel()
        if query.call == "subscribe":
            await self._resubscribe(query, task, response)
        else:
            await response.whole(query.result(wire.task(task.snapshot(), query.form)))

    async def _hear(self, query: Query, response: Response) -> None:
        """A message: run its script, and answer as it says."""
        script = self.scripts.get(query.text, {"do": [{"message": [{"text": "no such script"}]}]})
        if script.get("before"):
            script = script["before"].pop(0)
        reply = script.get("reply", {})
        if reply.get("drop"):
            raise Cut
        if "status" in reply or "body" in reply:
            body = reply.get("body", "")
            data = body.encode() if isinstance(body, str) else wire.encoded(body)
            kind = reply.get("type", "application/json")
            await response.whole(data, reply.get("status", 200), kind, **reply.get("headers", {}))
            return
        steps = script["do"]
        if steps and "error" in steps[0]:
            await self._refuse(query, response, steps[0]["error"])
            return
        task = self._task_for(query)
        listener = task.listen()
        task.heard(query.text, query.message_id)
        task.run(steps)
        if query.call == "stream" and not reply.get("json"):
            await answer_stream(query, task, listener, response, reply)
        else:
            await answer_whole(query, task, listener, response, script)

    def _task_for(self, query: Query) -> Task:
        if query.task:
            task = self.tasks.get(query.task)
            if task is None:
                raise Refused("task-not-found", f"Task {query.task} was not found")
            if task.status["state"] in TERMINAL:
                word = task.status["state"]
                raise Refused("invalid-params", f"Task {task.id} is in terminal state: {word}")
            return task
        named = query.context
        if self.config.contexts == "refuse" and named and named not in self.contexts:
            refusal = {"name": "invalid-params", "message": f"unknown contextId {named}"}
            refusal |= self.config.refusal
            raise Refused(**refusal)
        if not named or (self.config.contexts == "invent" and named not in self.contexts):
            named = f"context-{uuid.uuid4()}"
        self.contexts.add(named)
        task = Task(named)
        self.tasks[task.id] = task
        return task

    async def _resubscribe(self, query: Query, task: Task, response: Response) -> None:
        mode = self.config.resubscribe or ("snapshot" if query.form == wire.V1 else "new")
        if mode == "none" or not self.config.streaming:
            raise Refused("method-not-found", "this agent does not resubscribe")
        if task.over:
            name = "unsupported" if query.form == wire.V1 else "invalid-params"
            raise Refused(name, f"Task {task.id} is in terminal state: {task.status['state']}")
        listener = task.listen()
        if mode == "snapshot":
            await listener.put(("event", {"event": "task", "task": task.snapshot()}))
        await answer_stream(query, task, listener, response, {})

    async def _refuse(self, query: Query, response: Response, error: dict[str, Any]) -> None:
        status, body = wire.error(error, rest=query.rest)
        await response.whole(wire.encoded({**body, **query.own()}), status)


async def listen(port: int, delay: float) -> None:
    """Say the address at once, and listen after `delay` seconds: until then connections are refused."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.setblocking(False)
    if not delay:
        listener.listen(128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    await asyncio.sleep(delay)
    await serve(listener, Peer(url).handle)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0, help="seconds before it listens")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listen(options.port, options.delay))


if __name__ == "__main__":
    main()
