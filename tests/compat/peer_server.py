"""A real A2A server (0.3 and 1.0, in each binding) that does what the request's first word says.

Run in the product's environment, as a process of its own: the agent's environment may hold an older
a2a-sdk. JSON-RPC is at its address, HTTP+JSON below `/rest`, gRPC on a port of its own. Prints both
addresses as one JSON line. `GET /log` tells what it was asked, with the headers.

    echo TEXT      answers TEXT, its contextId and how many requests it had in that context
    slow SECONDS   works that long, saying so, then answers
    silent SECONDS says nothing for that long
    question       asks the caller something (input-required); the next message is the answer
    fail           fails, with a reason
    refuse         answers with a JSON-RPC error
    direct TEXT    answers with a message, not a task
    cut            breaks the connection in the middle of the stream; the task completes all the same
    approve NAME   asks for the approval of a tool, as a kagent sub-agent does
"""

import argparse
import asyncio
import json
import socket
import sys
from typing import Any

import grpc
import uvicorn
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc
from a2a.compat.v0_3.grpc_handler import CompatGrpcHandler
from a2a.helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.request_handlers.grpc_handler import GrpcHandler
from a2a.server.routes import (
    create_agent_card_routes,
    create_jsonrpc_routes,
    create_rest_routes,
)
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part, a2a_pb2_grpc
from a2a.utils.errors import InvalidParamsError
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Peer(AgentExecutor):
    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.busy: dict[str, int] = {}
        self.overlaps = 0

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        text = context.get_user_input()
        headers = dict(context.call_context.state.get("headers", {}))
        context_id = context.context_id
        self.log.append(
            {
                "text": text,
                "context": context_id,
                "task": context.task_id,
                "resumed": context.current_task is not None,
                "headers": {k.lower(): v for k, v in headers.items()},
                "data": [str(part.data) for part in context.message.parts if part.HasField("data")]
                + [str(context.message.metadata)],
            }
        )
        self.overlaps += self.busy.get(context_id, 0)
        self.busy[context_id] = self.busy.get(context_id, 0) + 1
        try:
            await self._answer(text, context, event_queue)
        finally:
            self.busy[context_id] -= 1

    async def _answer(self, text: str, context: RequestContext, queue: EventQueue) -> None:
        verb, _, rest = text.partition(" ")
        if verb == "refuse":
            raise InvalidParamsError(message="this peer refuses on principle")
        if verb == "direct":
            await queue.enqueue_event(new_text_message(rest))
            return
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        if context.current_task is None:
            await queue.enqueue_event(new_task_from_user_message(context.message))
        elif context.current_task is not None:
            await self._finish(updater, f"thank you for: {text}")
            return
        await updater.start_work()
        if verb == "question":
            await updater.requires_input(updater.new_agent_message([new_text_part("which town?")]))
        elif verb == "approve":
            message = updater.new_agent_message([approval_part(rest)])
            extend_with_approval(message, rest)
            await updater.requires_input(message)
        elif verb == "fail":
            await updater.failed(updater.new_agent_message([new_text_part("the pump is broken")]))
        else:
            await self._work(verb, rest, updater)
            times = sum(entry["context"] == context.context_id for entry in self.log)
            await self._finish(updater, f"{rest} [context {context.context_id} request {times}]")

    async def _work(self, verb: str, rest: str, updater: TaskUpdater) -> None:
        if verb == "silent":
            await asyncio.sleep(float(rest))
        if verb == "slow":
            for _ in range(int(float(rest) / 0.05)):
                await asyncio.sleep(0.05)
                await updater.start_work()
        if verb == "cut":
            await asyncio.sleep(0.3)

    async def _finish(self, updater: TaskUpdater, text: str) -> None:
        await updater.add_artifact([new_text_part(text)])
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        self.cancelled.append(context.task_id)
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def approval_part(name: str) -> Part:
    call = {"name": name, "args": {"path": "/tmp/x"}, "id": "call-1"}
    data = {
        "name": "adk_request_confirmation",
        "id": "confirm-1",
        "args": {"originalFunctionCall": call},
    }
    part = Part(data=ParseDict(data, Value()))
    part.metadata.update({"kagent_type": "function_call", "kagent_is_long_running": True})
    return part


HITL = "https://kagent.dev/extensions/hitl/v1"


def extend_with_approval(message: Any, name: str) -> None:
    """Ask in the words of kagent's main branch too: an A2A extension of the message."""
    tool = {"id": "confirm-1", "call_id": "call-1", "name": name, "args": {}}
    message.extensions.append(HITL)
    message.metadata.update({HITL: {"type": "tool_approval_request", "tools": [tool]}})


class Cutter:
    """ASGI middleware that drops the connection of a request for `cut` after its first events."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        cut = False
        sent = 0

        async def watched_receive() -> Any:
            nonlocal cut
            message = await receive()
            cut = cut or b'"cut' in message.get("body", b"")
            return message

        async def watched_send(message: Any) -> None:
            nonlocal sent
            if cut and message["type"] == "http.response.body":
                sent += 1
                if sent == 3:
                    raise ConnectionError("cut on purpose")
            await send(message)

        try:
            await self.app(scope, watched_receive, watched_send)
        except ConnectionError:
            if not cut:
                raise


class CardCounter:
    """ASGI middleware that counts how often an agent card was asked for."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cards = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.cards += "/.well-known/" in scope.get("path", "")
        await self.app(scope, receive, send)


def make_app(url: str, *, streaming: bool, card_url: str) -> tuple[Any, Any]:
    """The web application, and the handler of requests that it shares with gRPC."""
    card = AgentCard(
        name="peer",
        description="Does what it is told.",
        version="1",
        supported_interfaces=[
            AgentInterface(
                url=card_url or url, protocol_binding="JSONRPC", protocol_version=version
            )
            for version in ("1.0", "0.3")
        ],
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="echo", description="Echoes.", tags=["test"])],
    )
    peer = Peer()
    handler = DefaultRequestHandler(
        agent_executor=peer, task_store=InMemoryTaskStore(), agent_card=card
    )

    async def log(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "requests": peer.log,
                "cancelled": peer.cancelled,
                "overlaps": peer.overlaps,
                "cards": app.cards,
            }
        )

    routes = [
        *create_agent_card_routes(card),
        *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
        *create_rest_routes(handler, enable_v0_3_compat=True, path_prefix="/rest"),
        Route("/log", log),
    ]
    app = CardCounter(Cutter(Starlette(routes=routes)))
    return app, handler


async def serve(app: Any, handler: Any, listener: socket.socket, url: str) -> None:
    server = grpc.aio.server()
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(GrpcHandler(handler), server)
    a2a_v0_3_pb2_grpc.add_A2AServiceServicer_to_server(CompatGrpcHandler(handler), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(json.dumps({"url": url.rstrip("/"), "grpc": f"127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-streaming", action="store_true")
    parser.add_argument("--card-url", default="", help="the address that the card names")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    app, handler = make_app(url, streaming=not options.no_streaming, card_url=options.card_url)
    asyncio.run(serve(app, handler, listener, url))


if __name__ == "__main__":
    main()
