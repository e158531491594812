"""Traces of the peer tools: exports spans over OTLP, and makes the span of a request.

Off unless OpenTelemetry's own variable names an OTLP endpoint. Only then is its SDK imported. The SDK
is an extra of the package (`hotpeers[traces]`); the image has it. `hotpeers_shim.calls.trace` makes
the spans of calls and passes the trace context on.

The trace context of a request is untrusted: it is bounded here and parsed by OpenTelemetry's library.
Spans have no content, no message of an exception and no header.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from hotpeers_shim.calls.trace import HEADERS, SCOPE, read_headers

from .. import __version__

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_FLUSH_SECONDS = 2.0
"""The longest wait for the last spans at the end of the process, which a pod's end would cut off."""
_TOOLS = ("ask_agent", "list_agents", "get_answer")
_provider: Any = None


def is_on() -> bool:
    """Whether this process makes and exports spans."""
    return _provider is not None


def set_up_tracing(service: str, environ: MutableMapping[str, str] = os.environ) -> bool:
    """Export the spans of this process, if the environment asks for it. Returns whether it does.

    Call it before any import of a2a-sdk. `service` is the service's name unless OTEL_SERVICE_NAME is
    set. A setting that cannot be met is logged, and the program runs without traces.
    """
    global _provider  # noqa: PLW0603 - the process has one
    why = _unwanted(environ)
    if why:
        if why != "no endpoint":
            logger.warning("no traces are exported: %s", why)
        return False
    try:
        _provider = _make_provider(service, environ)
    except ImportError as error:
        hint = "install hotpeers[traces], or unset OTEL_EXPORTER_OTLP_ENDPOINT"
        logger.warning("no traces are exported: %s; %s", error, hint)
        return False
    logger.info("traces are exported over OTLP")
    return True


def _unwanted(environ: Mapping[str, str]) -> str:
    """Why no traces are exported; "" if they are."""
    if not any(environ.get(name, "").strip() for name in ENDPOINTS):
        return "no endpoint"
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "OTEL_SDK_DISABLED is true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in ("", "otlp"):
        return f"OTEL_TRACES_EXPORTER is {exporter[:40]!r}, and only otlp is supported"
    protocol = next((found for name in _PROTOCOLS if (found := environ.get(name, "").strip())), "")
    if protocol not in ("", _HTTP):
        return f"the OTLP protocol is {protocol[:40]!r}, and only {_HTTP} is supported"
    return ""


def _make_provider(service: str, environ: MutableMapping[str, str]) -> Any:
    # The spans of a2a-sdk would have the messages of exceptions, which quote what peers say.
    environ.setdefault("OTEL_INSTRUMENTATION_A2A_SDK_ENABLED", "false")
    from opentelemetry import trace  # noqa: PLC0415 - only where traces are exported
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    attributes = {"service.version": __version__}
    named = environ.get("OTEL_SERVICE_NAME", "").strip()
    if not named and "service.name=" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        attributes["service.name"] = service
    # Not at the exit of the interpreter, where it could wait for half a minute: see `flushed`.
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


@asynccontextmanager
async def flushed() -> AsyncIterator[None]:
    """Export the last spans at the end of the block, for two seconds at most."""
    try:
        yield
    finally:
        if _provider is not None:
            await _flush(_provider)


async def _flush(provider: Any) -> None:
    """Flush in a daemon thread: the SDK's own time limit does not end an export that retries."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        provider.force_flush()
        with suppress(RuntimeError):  # the event loop may have ended meanwhile
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=work, name="flush traces", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_FLUSH_SECONDS):
            await done.wait()


class Traced:
    """The middleware of an MCP server that makes the span of each tool call.

    Its parent is in the `_meta` of the request (MCP 2026-07-28), or else in its HTTP headers. It
    replaces the middleware of the MCP SDK, which does not read headers, and writes the messages of
    exceptions into its spans.
    """

    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        """Handle one message."""
        if ctx.method != "tools/call":
            return await call_next(ctx)
        name = (ctx.params or {}).get("name")
        tool = name if name in _TOOLS else "unknown"
        with _serving(tool, _came_with(ctx)) as span:
            try:
                result = await call_next(ctx)
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                _set_error(span)
                raise
            if _is_error(result):
                span.set_attribute("error.type", "tool_error")
                _set_error(span)
            return result


def _came_with(context: Any) -> Mapping[str, str]:
    """The trace context of a request, bounded."""
    meta = context.meta or {}
    pairs = [(name, value) for name in HEADERS if isinstance(value := meta.get(name), str)]
    found = read_headers(pairs)
    if found or context.request is None:
        return found
    return read_headers(context.request.headers.items())


@contextmanager
def _serving(tool: str, came_with: Mapping[str, str]) -> Iterator[Any]:
    from opentelemetry.context import Context  # noqa: PLC0415 - only where traces are exported
    from opentelemetry.trace import SpanKind, get_tracer  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    # From an empty context: that of a session is of the request that began it.
    parent = TraceContextTextMapPropagator().extract(came_with, context=Context())
    with get_tracer(SCOPE).start_as_current_span(
        f"tools/call {tool}",
        context=parent,
        kind=SpanKind.SERVER,
        attributes={"mcp.method.name": "tools/call", "gen_ai.tool.name": tool},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def _set_error(span: Any) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - only where traces are exported

    span.set_status(StatusCode.ERROR)


def _is_error(result: Any) -> bool:
    if isinstance(result, dict):
        return result.get("isError") is True
    return getattr(result, "is_error", False) is True
