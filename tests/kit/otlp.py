"""A receiver of OTLP over HTTP: it decodes what a program exports."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from kit.servers import serving
from kit.waiting import until_async


@dataclass(frozen=True)
class Received:
    """One span. `raw` is the whole span as text, to search for what must not be in it."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    state: str
    failed: bool
    attributes: dict[str, str]
    service: str
    raw: str


@dataclass
class Receiver:
    """What has arrived so far."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)

    def named(self, start: str) -> list[Received]:
        return [span for span in self.spans if span.name.startswith(start)]

    async def span(self, start: str) -> Received:
        """The first span whose name begins so."""
        await until_async(f"the span {start}", lambda: self.named(start))
        return self.named(start)[0]

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        found = ExportTraceServiceRequest.FromString(body)
        for resource in found.resource_spans:
            of_resource = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Received(
                            span.name,
                            span.kind,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.trace_state,
                            span.status.code == 2,
                            {one.key: one.value.string_value for one in span.attributes},
                            of_resource.get("service.name", ""),
                            str(span),
                        )
                    )
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/traces", made.take)
    async with serving(app) as url:
        made.url = url
        yield made
