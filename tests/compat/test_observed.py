"""Traces and the audit log of calls, in an agent's process."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from harness import peer
from opentelemetry import trace
from rawkit import DONE, SUBMITTED, WAYS, artifact, text
from scripted import call, results

from hotpeers_shim import live
from hotpeers_shim.adapters import incoming

pytestmark = pytest.mark.core
NAME, ME = "team__NS__weather", "team/boss"
ANSWER = [SUBMITTED, artifact("a", text("sunny")), DONE]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SECRET = "very-secret-words"
HTTP = [way for way in WAYS if way[0] != "GRPC"]


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    """Each test's log is set up anew, on the standard error of that test."""
    logger = logging.getLogger("hotpeers.audit")
    # pytest adds handlers to a logger that does not propagate.
    logger.handlers.clear()
    logger.propagate = True
    yield
    logger.handlers.clear()
    logger.propagate = True


@pytest.fixture
def observe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Switches traces and the audit log on."""
    state = live.get()

    def switch(**on: bool) -> None:
        monkeypatch.setattr(state, "settings", replace(state.settings, **on))

    yield switch
    incoming._trace.set({})


@pytest.fixture(scope="module")
def spans() -> Iterator[Any]:
    """What the agent's own SDK has exported. A process cannot replace its SDK, so it stays set up."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    with pytest.MonkeyPatch.context() as patch:
        # Other tests of this process run without telemetry.
        patch.setenv("OTEL_SDK_DISABLED", "false")
        exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    # Or else it keeps the spans of all later tests, whose memory then grows.
    exporter.shutdown()
    exporter.clear()


def ours(spans) -> list[Any]:
    """The spans of calls; google-adk has an `invoke_agent` of its own."""
    return [one for one in spans.get_finished_spans() if one.name == "invoke_agent team/weather"]


def offer(peers, raw, way=WAYS[0]):
    entry = peer("weather", raw.url, interfaces=[raw.way(*way)])
    peers.raw(json.dumps({**peers.document(entry), "orchestrator": ME}).encode())


def headers_of(raw, key) -> dict[str, str]:
    (found,) = raw.log(text=key)
    return found["headers"]


# First, as no test has set up an SDK yet.
@pytest.mark.parametrize("way", HTTP, ids="-".join)
async def test_trace_context_is_passed_on_without_an_sdk(
    peers, raw, conversation, runtime, way, observe
):
    raw.config()
    offer(peers, raw, way)
    observe(traces=True)
    incoming.note_request(
        {"headers": [(b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"vendor=1")]}
    )
    key = raw.script(f"passed-{runtime}-{'-'.join(way)}", ANSWER)
    said = results(await conversation().turn("go", call(NAME, key)))
    assert "sunny" in said[0]
    headers = headers_of(raw, key)
    assert (headers["traceparent"], headers["tracestate"]) == (TRACEPARENT, "vendor=1")


@pytest.mark.parametrize("bad", [b"00-zzz", b"x" * 4000, TRACEPARENT.encode() + b"-more"])
async def test_malformed_trace_context_is_not_passed_on(
    peers, raw, conversation, runtime, observe, bad
):
    raw.config()
    offer(peers, raw)
    observe(traces=True)
    incoming.note_request({"headers": [(b"traceparent", bad)]})
    key = raw.script(f"malformed-{runtime}-{len(bad)}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    assert "traceparent" not in headers_of(raw, key)


async def test_nothing_is_sent_or_logged_by_default(peers, raw, conversation, runtime, capsys):
    raw.config()
    offer(peers, raw)
    incoming.note_request({"headers": [(b"traceparent", TRACEPARENT.encode())]})
    key = raw.script(f"default-{runtime}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    assert "traceparent" not in headers_of(raw, key)
    assert "hotpeers.audit" not in capsys.readouterr().err


async def test_message_brings_its_own_trace_context(observe):
    """In a2a-sdk 1.x one task runs the executor for all messages of an A2A task."""
    incoming.note_request({"headers": [(b"traceparent", b"00-1-2-01")]})

    class Call:
        state = {"headers": {"Traceparent": TRACEPARENT}}

    class Context:
        message, metadata, call_context = None, None, Call()

    incoming._read(Context())
    assert incoming.current_trace() == {"traceparent": TRACEPARENT}
    incoming.note_request({"headers": []})
    assert incoming.current_trace() == {}


async def test_span_of_a_call_is_below_that_of_the_tool(
    peers, raw, conversation, runtime, observe, spans
):
    raw.config()
    offer(peers, raw)
    observe(traces=True)
    spans.clear()
    key = raw.script(f"span-{runtime}", ANSWER)
    with trace.get_tracer("test").start_as_current_span("turn") as turn:
        said = results(await conversation().turn("go", call(NAME, key)))
    assert "sunny" in said[0]
    (span,) = ours(spans)
    assert span.context.trace_id == turn.get_span_context().trace_id
    names = {one.context.span_id: one.name for one in spans.get_finished_spans()}
    # google-adk makes a span for each tool call, in the versions that have telemetry.
    assert span.parent is not None
    assert names.get(span.parent.span_id, "turn").startswith(("execute_tool", "turn"))
    assert span.attributes["hotpeers.outcome"] == "answered"
    assert span.attributes["hotpeers.orchestrator"] == ME
    sent = headers_of(raw, key)["traceparent"]
    assert sent.startswith(f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-")
    assert key not in str(span.to_json())


async def test_cancelled_turn_ends_its_span_and_its_line(
    peers, raw, conversation, runtime, observe, spans, capsys
):
    raw.config()
    offer(peers, raw)
    observe(traces=True, audit=True)
    spans.clear()
    key = raw.script(f"cancelled-{runtime}", [SUBMITTED, {"hang": True}])
    task = asyncio.create_task(conversation().turn("go", call(NAME, key)))
    async with asyncio.timeout(30):
        while not raw.log(text=key):
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (span,) = ours(spans)
    assert span.attributes["hotpeers.outcome"] == "cancelled"
    (line,) = lines(capsys)
    assert (line["outcome"], line["reason"]) == ("cancelled", "")
    assert line["trace"] == f"{span.context.trace_id:032x}"


@pytest.mark.on_kagent
async def test_instrumented_httpx_passes_the_context_on_without_our_setting(
    peers, raw, conversation, runtime, spans
):
    """As kagent does with OTEL_TRACING_ENABLED."""
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

    raw.config()
    offer(peers, raw)
    key = raw.script(f"instrumented-{runtime}", ANSWER)
    HTTPXClientInstrumentor().instrument()
    try:
        with trace.get_tracer("test").start_as_current_span("turn") as turn:
            await conversation().turn("go", call(NAME, key))
    finally:
        HTTPXClientInstrumentor().uninstrument()
    sent = headers_of(raw, key)["traceparent"].split("-")[1]
    assert sent == f"{turn.get_span_context().trace_id:032x}"


def lines(capsys) -> list[dict[str, Any]]:
    found = capsys.readouterr().err.splitlines()
    return [json.loads(line) for line in found if '"hotpeers.audit"' in line]


async def test_audit_line_of_a_call(peers, raw, conversation, runtime, observe, capsys):
    raw.config()
    offer(peers, raw)
    observe(audit=True)
    # As `logging.config.dictConfig` does with loggers that exist before it.
    logging.getLogger("hotpeers.audit").disabled = True
    key = raw.script(f"audit-{runtime}-{SECRET}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    (line,) = lines(capsys)
    assert SECRET not in json.dumps(line)
    assert (line["orchestrator"], line["peer"], line["origin"]) == (ME, "team/weather", raw.url)
    assert (line["outcome"], line["state"], line["reason"]) == ("answered", "completed", "")
    assert line["user"] == "user"
    assert 0 <= line["seconds"] < 60
    assert line["trace"] == ""


async def test_failed_call_has_its_reason(peers, raw, conversation, runtime, observe, capsys):
    raw.config()
    entry = peer("weather", f"http://127.0.0.1:9/{SECRET}")
    entry["interfaces"] = [
        {"url": entry["url"], "binding": "JSONRPC", "protocolVersion": "0.3", "streaming": False}
    ]
    peers.raw(json.dumps({**peers.document(entry), "orchestrator": "team/weather"}).encode())
    observe(audit=True)
    # It would call itself, which is refused before anything is sent.
    await conversation().turn("go", call(NAME, SECRET))
    (line,) = lines(capsys)
    assert (line["outcome"], line["reason"], line["state"]) == ("refused", "CallLoop", "")
    assert SECRET not in json.dumps(line)
