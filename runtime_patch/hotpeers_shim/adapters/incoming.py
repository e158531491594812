"""Reads the lineage of the request that an agent works on, and its trace context.

The metadata of an A2A message reaches the agent through `AgentExecutor.execute`, in each binding. Its
base class is the same in a2a-sdk 0.3 and 1.x, google-adk and kagent-adk derive their executors from
it (`a2a/server/agent_execution/agent_executor.py`). In a2a-sdk 1.x one task runs the executor for all
messages of an A2A task, so a context variable of the HTTP request would be that of the first message.
For an executor of another kind, and for requests of no A2A, the header of the HTTP request counts.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from ..calls import trace
from ..lineage import HEADER, METADATA_KEY, Lineage, header_of, read_lineage

logger = logging.getLogger("hotpeers_shim")

_HEADER = HEADER.encode("ascii")
_TRACE_HEADERS = frozenset(name.encode("ascii") for name in trace.HEADERS)
_WRAPPED = "_hotpeers_lineage"

_of_request: contextvars.ContextVar[Lineage] = contextvars.ContextVar("hotpeers_request_lineage")
_of_message: contextvars.ContextVar[Lineage] = contextvars.ContextVar("hotpeers_message_lineage")
_trace: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("hotpeers_trace")


def current() -> Lineage:
    """The lineage of the request that the running code works on; empty if it begins a chain."""
    return _of_message.get(None) or _of_request.get(None) or Lineage()


def current_trace() -> Mapping[str, str]:
    """The trace context of the request that the running code works on; empty without one."""
    return _trace.get(trace.NOTHING)


def note_request(scope: Any) -> None:
    """Record lineage and trace context of an HTTP request, in the context of its task."""
    _note_trace(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope.get("headers") or ()
        if name in _TRACE_HEADERS
    )
    # A list may come in several lines (RFC 9110, section 5.3).
    lines = [value for name, value in scope.get("headers") or () if name == _HEADER]
    if lines or _of_request.get(None) is not None:
        # Set it also without a header: a server may handle several requests in one context.
        header = b",".join(lines).decode("latin-1") if lines else None
        _of_request.set(read_lineage(header=header))


def _note_trace(pairs: Iterable[tuple[str, str]]) -> None:
    found = trace.read_headers(pairs)
    if found or _trace.get(None) is not None:
        _trace.set(found)


def hook_executor(module: ModuleType) -> None:
    """Wrap `execute` of every class that is derived from `AgentExecutor`, now and later."""
    base = module.AgentExecutor
    before = base.__dict__.get("__init_subclass__")

    @classmethod  # type: ignore[misc]
    def __init_subclass__(cls: Any, **options: Any) -> None:  # noqa: N807
        if before is not None:
            before.__get__(None, cls)(**options)
        else:
            super(base, cls).__init_subclass__(**options)
        _wrap(cls)

    base.__init_subclass__ = __init_subclass__
    for known in _derived(base):
        _wrap(known)


def _derived(base: Any) -> Iterator[Any]:
    for one in base.__subclasses__():
        yield one
        yield from _derived(one)


def _wrap(cls: Any) -> None:
    original = cls.__dict__.get("execute")
    if not inspect.iscoroutinefunction(original) or hasattr(original, _WRAPPED):
        return

    @functools.wraps(original)
    async def execute(self: Any, context: Any, *args: Any, **options: Any) -> Any:
        # Do not reset it: the task ends with this message, or its next message sets a new value.
        _of_message.set(_read(context))
        return await original(self, context, *args, **options)

    setattr(execute, _WRAPPED, True)
    cls.execute = execute


def _read(context: Any) -> Lineage:
    """The lineage of a `RequestContext`. Never raises."""
    try:
        values = [
            _plain(metadata[METADATA_KEY])
            # The metadata of the message, and that of the request around it.
            for metadata in (getattr(context.message, "metadata", None), context.metadata)
            if metadata and METADATA_KEY in metadata
        ]
        call = getattr(context, "call_context", None)
        headers = call.state.get("headers") if call is not None else None
        if isinstance(headers, dict):
            _note_trace((str(name), str(value)) for name, value in headers.items())
            return read_lineage(values, header_of(headers))
        return read_lineage(values) if values else _of_request.get(Lineage())
    except Exception:
        logger.exception("the lineage of a request was not read")
        return Lineage()


def _plain(value: Any) -> Any:
    """The value as Python's own types: a2a-sdk 1.x has a `ListValue` of protobuf for a list."""
    return list(value) if type(value).__name__ == "ListValue" else value
