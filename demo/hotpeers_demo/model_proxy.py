"""A reverse proxy in front of a real model, which shows what each request offered.

    OPENAI_BASE_URL=https://… python -m hotpeers_demo.model_proxy --port 0

Requests pass unchanged, including credentials. `/log` has the same form as that of the scripted model.
"""

import json
import os
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hotpeers_demo import serving
from hotpeers_demo.model_log import ModelLog

OPENAI = "https://api.openai.com/v1"
# Headers of one connection (RFC 9110, 7.6.1), and headers that httpx sets or has already processed.
_OWN = {
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
}


def make_app(upstream: str) -> Starlette:
    """Create the proxy of an OpenAI-compatible API, with an empty log."""
    log = ModelLog()
    client = httpx.AsyncClient(timeout=httpx.Timeout(120.0), follow_redirects=True)

    async def forward(request: Request) -> Response:
        body = await request.body()
        if request.url.path.endswith("/chat/completions"):
            log.record(_document(body))
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _OWN]
        onward = client.build_request(
            request.method,
            f"{upstream.rstrip('/')}/{request.path_params['path']}",
            params=request.query_params,
            headers=headers,
            content=body,
        )
        try:
            answer = await client.send(onward, stream=True)
        except httpx.HTTPError as error:
            message = f"{upstream} does not answer: {type(error).__name__}: {error}"
            return JSONResponse({"error": {"message": message, "type": "upstream"}}, 502)
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in _OWN}
        return StreamingResponse(_pass_on(answer), answer.status_code, kept)

    routes = [Route("/v1/{path:path}", forward, methods=["GET", "POST"]), log.route()]
    return Starlette(routes=routes)


async def _pass_on(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_bytes():
            yield chunk
    finally:
        await answer.aclose()


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = serving.arguments("A logging proxy in front of a real model.").parse_args()
    upstream = os.environ.get("OPENAI_BASE_URL") or OPENAI
    serving.serve(make_app(upstream), serving.bind(options.port, options.host))


if __name__ == "__main__":
    main()
