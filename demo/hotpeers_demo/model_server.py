"""A scripted model behind the OpenAI chat completions API.

    python -m hotpeers_demo.model_server --port 0

It serves `/v1/chat/completions`, with and without streaming, and shows at `/log` what each request
offered.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hotpeers_demo import serving
from hotpeers_demo.model_log import ModelLog
from hotpeers_demo.script import CallTool, Say, decide

# The demonstration does not count tokens, but clients require the numbers.
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def make_app() -> Starlette:
    """Create the server, with an empty log."""
    log = ModelLog()

    async def complete(request: Request) -> Response:
        body = await _body(request)
        if isinstance(body, Response):
            return body
        log.record(body)
        reply = decide(body["messages"], body.get("tools") or [])
        if body.get("stream"):
            return StreamingResponse(_chunks(body, reply), media_type="text/event-stream")
        return JSONResponse(_completion(body, reply))

    async def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    routes = [
        Route("/v1/chat/completions", complete, methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
        log.route(),
    ]
    return Starlette(routes=routes)


async def _body(request: Request) -> dict[str, Any] | Response:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        return _refuse(f"the body is not JSON: {error}")
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return _refuse("the body has no list of messages")
    return body


def _refuse(message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, 400)


def _head(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model", "scripted"),
    }


def _message(reply: Say | CallTool) -> dict[str, Any]:
    if isinstance(reply, Say):
        return {"role": "assistant", "content": reply.text}
    call = {
        "id": f"call_{uuid.uuid4().hex[:12]}",
        "type": "function",
        "function": {"name": reply.name, "arguments": json.dumps(dict(reply.arguments))},
    }
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _finish(reply: Say | CallTool) -> str:
    return "stop" if isinstance(reply, Say) else "tool_calls"


def _completion(body: Mapping[str, Any], reply: Say | CallTool) -> dict[str, Any]:
    choice = {"index": 0, "message": _message(reply), "finish_reason": _finish(reply)}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _USAGE}


async def _chunks(body: Mapping[str, Any], reply: Say | CallTool) -> AsyncIterator[str]:
    head = _head(body, "chat.completion.chunk")
    message = _message(reply)
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    if isinstance(reply, Say):
        deltas += [{"content": word} for word in reply.text.splitlines(keepends=True)]
    else:
        deltas += [{"tool_calls": [{"index": 0, **call}]} for call in message["tool_calls"]]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": _finish(reply)})
    for choice in choices:
        yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    if (body.get("stream_options") or {}).get("include_usage"):
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': _USAGE})}\n\n"
    yield "data: [DONE]\n\n"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = serving.arguments("A scripted model behind the OpenAI API.").parse_args()
    serving.serve(make_app(), serving.bind(options.port, options.host))


if __name__ == "__main__":
    main()
