"""The servers of a kagent agent in one process: a model, kagent's controller and a server of tools.

Run in the product's environment; prints its address as one JSON line. The model answers with what it
was asked with, as JSON. Before that it does what the user's text says, word by word:

    hold KEY     waits until `/release/KEY` is asked for; `/held` lists the keys that wait
    call TOOL    calls the tool of that name
"""

import asyncio
import json
from typing import Any

import uvicorn
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from hotpeers_demo import controller, serving

SECONDS = 60.0


class Model:
    """A model behind the OpenAI chat completions API."""

    def __init__(self) -> None:
        self._released: dict[str, asyncio.Event] = {}
        self._held: set[str] = set()

    async def complete(self, request: Request) -> JSONResponse:
        body = await request.json()
        words = _text(body["messages"], "user").split()
        orders = dict(zip(words[::2], words[1::2], strict=False))
        answered = body["messages"][-1]["role"] == "tool"
        if "hold" in orders and not answered:
            key = orders["hold"]
            self._held.add(key)
            await asyncio.wait_for(self._of(key).wait(), SECONDS)
            self._held.discard(key)
        if "call" in orders and not answered:
            function = {"name": orders["call"], "arguments": "{}"}
            call = {"id": "call_1", "type": "function", "function": function}
            return _completion(body, {"content": None, "tool_calls": [call]})
        return _completion(body, {"content": json.dumps(_asked(body, request))})

    async def release(self, request: Request) -> JSONResponse:
        self._of(request.path_params["key"]).set()
        return JSONResponse({})

    async def held(self, _: Request) -> JSONResponse:
        return JSONResponse(sorted(self._held))

    def _of(self, key: str) -> asyncio.Event:
        return self._released.setdefault(key, asyncio.Event())


def _asked(body: dict[str, Any], request: Request) -> dict[str, Any]:
    return {
        "model": body["model"],
        "instruction": _text(body["messages"], "system"),
        "tools": sorted(tool["function"]["name"] for tool in body.get("tools") or []),
        "temperature": body.get("temperature"),
        "header": request.headers.get("x-hot"),
        "heard": _text(body["messages"], "tool"),
    }


def _text(messages: list[dict[str, Any]], role: str) -> str:
    """The text of the last message of a role, or ""."""
    for message in reversed(messages):
        if message["role"] == role:
            content = message["content"]
            if isinstance(content, list):
                return " ".join(part.get("text", "") for part in content)
            return content or ""
    return ""


def _completion(body: dict[str, Any], message: dict[str, Any]) -> JSONResponse:
    finish = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return JSONResponse(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }
    )


def make_app() -> Starlette:
    tools = MCPServer("tools")

    @tools.tool()
    def tick() -> str:
        return "tock"

    @tools.tool()
    def other() -> str:
        return "other"

    model = Model()
    app = tools.streamable_http_app(stateless_http=True)
    app.routes.extend(
        [
            Route("/v1/chat/completions", model.complete, methods=["POST"]),
            Route("/release/{key}", model.release),
            Route("/held", model.held),
            Mount("/", controller.make_app()),
        ]
    )
    return app


def main() -> None:
    listener = serving.bind(0)
    print(json.dumps({"url": serving.url_of(listener)}), flush=True)
    config = uvicorn.Config(make_app(), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
