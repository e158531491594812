import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotpeers_demo import model_proxy
from hotpeers_demo.model_server import make_app

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "demo__NS__weather",
            "parameters": {"type": "object", "properties": {"request": {"type": "string"}}},
        },
    }
]
PATH = "/v1/chat/completions"


def body(text, **extra):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **extra}


def chunks(text):
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def test_text_is_answered_as_a_completion(client_of):
    async with client_of(make_app()) as client:
        answer = (await client.post(PATH, json=body("Hello"))).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["content"] == "I am offered no tools."
    assert answer["usage"]["total_tokens"] > 0


async def test_requested_call_is_answered_as_a_tool_call(client_of):
    async with client_of(make_app()) as client:
        answer = (await client.post(PATH, json=body("Ask weather: rain?", tools=TOOLS))).json()
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    function = choice["message"]["tool_calls"][0]["function"]
    assert function["name"] == "demo__NS__weather"
    assert json.loads(function["arguments"]) == {"request": "rain?"}


async def test_text_is_streamed(client_of):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    async with client_of(make_app()) as client:
        parts = chunks((await client.post(PATH, json=body("Hello", **options))).text)
    deltas = [choice["delta"] for part in parts for choice in part["choices"]]
    assert deltas[0] == {"role": "assistant"}
    assert "".join(delta.get("content", "") for delta in deltas) == "I am offered no tools."
    assert parts[-2]["choices"][0]["finish_reason"] == "stop"
    assert parts[-1]["usage"]["total_tokens"] > 0


async def test_a_call_streams(client_of):
    async with client_of(make_app()) as client:
        request = body("Ask weather: rain?", tools=TOOLS, stream=True)
        parts = chunks((await client.post(PATH, json=request)).text)
    calls = [c for p in parts for c in p["choices"][0]["delta"].get("tool_calls", ())]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [
        (0, "demo__NS__weather")
    ]
    assert parts[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert all("usage" not in part for part in parts)


async def test_log_shows_the_tools_offered_in_each_request(client_of):
    async with client_of(make_app()) as client:
        await client.post(PATH, json=body("one"))
        await client.post(PATH, json=body("two", tools=TOOLS))
        whole = (await client.get("/log")).json()
        later = (await client.get("/log", params={"after": 1})).json()
    assert [(e["number"], e["user"], e["tools"]) for e in whole["requests"]] == [
        (1, "one", []),
        (2, "two", ["demo__NS__weather"]),
    ]
    assert whole["requests"][0]["time"] <= whole["requests"][1]["time"]
    assert [entry["number"] for entry in later["requests"]] == [2]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"messages": "x"}'])
async def test_malformed_request_is_refused(client_of, content):
    async with client_of(make_app()) as client:
        answer = await client.post(PATH, content=content)
        log = (await client.get("/log")).json()
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert log["requests"] == []


async def test_proxy_forwards_and_logs_requests(client_of, monkeypatch):
    seen = {}

    async def upstream(request):
        seen["path"] = request.url.path
        seen["authorization"] = request.headers["authorization"]
        seen["body"] = await request.json()
        return JSONResponse({"answer": 42}, 201, {"x-from": "upstream"})

    app = Starlette(routes=[Route("/base/{path:path}", upstream, methods=["POST"])])
    real = httpx.AsyncClient
    transport = httpx.ASGITransport(app=app)
    monkeypatch.setattr(
        model_proxy.httpx, "AsyncClient", lambda **options: real(transport=transport, **options)
    )
    proxy = model_proxy.make_app("http://real/base/")
    monkeypatch.undo()
    request = body("Hello", tools=TOOLS)
    async with client_of(proxy) as client:
        answer = await client.post(PATH, json=request, headers={"authorization": "Bearer k"})
        log = (await client.get("/log")).json()
    assert (answer.status_code, answer.json()) == (201, {"answer": 42})
    assert answer.headers["x-from"] == "upstream"
    expected = {"path": "/base/chat/completions", "authorization": "Bearer k", "body": request}
    assert seen == expected
    assert [entry["tools"] for entry in log["requests"]] == [["demo__NS__weather"]]


async def test_proxy_reports_that_the_model_does_not_answer(client_of):
    # Port 9 of the loopback interface: nothing listens there.
    async with client_of(model_proxy.make_app("http://127.0.0.1:9/v1")) as client:
        answer = await client.post(PATH, json=body("Hello"))
    assert answer.status_code == 502
    assert "127.0.0.1:9" in answer.json()["error"]["message"]
