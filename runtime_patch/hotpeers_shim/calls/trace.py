"""OpenTelemetry: a span for each call, and the W3C trace context that the peer gets with it.

Only OpenTelemetry's API is used, and only if the process has already loaded it: this module never
loads it. Who exports the spans is up to the process. Baggage is never sent: it may have data about
the user. Span attributes have names, a reason word and a state, but no content and no URL.

A fault in tracing never fails a call: it is logged once, and the call goes on without a span.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..contract import Peer

logger = logging.getLogger("hotpeers_shim")

PARENT, STATE = "traceparent", "tracestate"
HEADERS = (PARENT, STATE)
NOTHING: Mapping[str, str] = MappingProxyType({})
SCOPE = "hotpeers"
"""The instrumentation scope of our spans."""
MAX_PARENT = 256
"""The longest traceparent that is read, in characters. Version 00 has 55."""
MAX_STATE_READ = 4096
MAX_STATE_SENT = 512
"""The longest tracestate that is sent on: W3C asks for at least that much, and servers limit headers."""
_API = "opentelemetry.trace"
_faults: set[str] = set()


def read_headers(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The trace context among the headers of a request, bounded but not parsed.

    A repeated traceparent is invalid (W3C, section 3.2), and a tracestate may come in several lines.
    """
    parents: list[str] = []
    states: list[str] = []
    for name, value in pairs:
        lower = name.lower()
        if lower == PARENT:
            parents.append(value)
        elif lower == STATE:
            states.append(value)
    if len(parents) != 1 or len(parents[0]) > MAX_PARENT:
        return NOTHING
    state = ",".join(states)
    found = {PARENT: parents[0]}
    return {**found, STATE: state} if 0 < len(state) <= MAX_STATE_READ else found


class Span:
    """The span of one call. It is current from its start until `end`.

    `headers` is the trace context for the peer, and `trace_id` has 32 hexadecimal digits, or is "".
    """

    def __init__(self, api: Any, native: Any, around: Any, token: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - see above
            TraceContextTextMapPropagator,
        )

        self._api, self._native, self._token = api, native, token
        # Without an SDK, the span of an older API (1.38) is invalid: pass the parent's context on.
        shown = native if native.get_span_context().is_valid else api.get_current_span(around)
        context = shown.get_span_context()
        self.trace_id = format(context.trace_id, "032x") if context.is_valid else ""
        self.headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(self.headers, context=api.set_span_in_context(shown))
        if len(self.headers.get(STATE, "")) > MAX_STATE_SENT:
            del self.headers[STATE]

    def end(self, outcome: str, state: str, reason: str) -> None:
        """End the span. `reason` is the reason word of a failure, else ""."""
        try:
            from opentelemetry import context  # noqa: PLC0415 - see above

            context.detach(self._token)
            self._native.set_attribute("hotpeers.outcome", outcome)
            if state:
                self._native.set_attribute("hotpeers.task.state", state)
            if reason:
                self._native.set_attribute("error.type", reason)
                # Without a description: the message of a failure may quote the peer.
                self._native.set_status(self._api.StatusCode.ERROR)
            self._native.end()
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            _note(error)


def begin(peer: Peer, orchestrator: str, came_with: Mapping[str, str]) -> Span | None:
    """Start the span of a call; None if this process has not loaded OpenTelemetry.

    The parent is the current span, or else that of the request that the caller works on, whose trace
    context is `came_with` (see `read_headers`).
    """
    api = sys.modules.get(_API)
    if api is None:
        return None
    try:
        return _begin(api, peer, orchestrator, came_with)
    except Exception as error:  # noqa: BLE001 - see the module's docstring
        _note(error)
        return None


def _begin(api: Any, peer: Peer, orchestrator: str, came_with: Mapping[str, str]) -> Span:
    from opentelemetry import context  # noqa: PLC0415 - the process has loaded it
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    around = context.get_current()
    if came_with and not api.get_current_span(around).get_span_context().is_valid:
        around = TraceContextTextMapPropagator().extract(came_with, context=around)
    title = f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": title,
        "hotpeers.orchestrator": orchestrator,
    }
    native = api.get_tracer(SCOPE).start_span(
        f"invoke_agent {title}",
        context=around,
        kind=api.SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )
    return Span(api, native, around, context.attach(api.set_span_in_context(native, around)))


def _note(error: Exception) -> None:
    what = f"{type(error).__name__}: {error}"[:300]
    if what not in _faults and len(_faults) < 10:
        _faults.add(what)
        logger.warning("a call is not traced: %s", what)
