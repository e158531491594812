"""a2a-sdk 0.3: pydantic types."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import httpx
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.client import ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.client.middleware import ClientCallContext
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    Message,
    MessageSendConfiguration,
    MessageSendParams,
    MethodNotFoundError,
    Part,
    Role,
    Task,
    TaskIdParams,
    TaskNotFoundError,
    TaskQueryParams,
    TextPart,
    UnsupportedOperationError,
)

from ..contract import Interface, Peer
from ..reply import Transcript
from .wire import card_url


async def read_card(http: httpx.AsyncClient, peer: Peer) -> list[Interface]:
    """The interfaces in the agent card of a peer, the preferred one first."""
    base, path = card_url(peer)
    card = await A2ACardResolver(http, base).get_agent_card(relative_card_path=path)
    streaming = bool(card.capabilities and card.capabilities.streaming)
    version = "0.3"
    main = Interface(card.url, _binding(card.preferred_transport), version, "", streaming)
    others = [
        Interface(one.url, _binding(one.transport), version, "", streaming)
        for one in card.additional_interfaces or []
    ]
    return [main, *others]


def _binding(transport: Any) -> str:
    return str(getattr(transport, "value", transport) or "JSONRPC")


def connect(http: httpx.AsyncClient, interface: Interface, channel: Callable[[str], Any]) -> Any:
    """See `wire.connect`."""
    card = AgentCard(
        name="peer",
        description="",
        version="",
        url=interface.url,
        preferred_transport=interface.binding,
        capabilities=AgentCapabilities(streaming=interface.streaming),
        default_input_modes=[],
        default_output_modes=[],
        skills=[],
    )
    config = ClientConfig(
        httpx_client=http, grpc_channel_factory=channel, supported_transports=[interface.binding]
    )
    return ClientFactory(config).create(card, interceptors=_interceptors())._transport


def _interceptors() -> list[Any]:
    """kagent's interceptor, which turns its call context into headers, if the agent runs on kagent."""
    module = sys.modules.get("kagent.adk._remote_a2a_tool")
    interceptor = getattr(module, "_SubagentInterceptor", None)
    return [interceptor()] if interceptor is not None else []


def text_message(text: str, context_id: str, task_id: str, message_id: str) -> Any:
    """See `wire.text_message`."""
    return Message(
        message_id=message_id,
        role=Role.user,
        parts=[Part(root=TextPart(text=text))],
        context_id=context_id or None,
        task_id=task_id or None,
    )


def add_metadata(message: Any, entries: Mapping[str, list[str]], extension: str) -> None:
    """See `wire.add_metadata`."""
    message.metadata = {**(message.metadata or {}), **entries}
    if extension not in (message.extensions or []):
        message.extensions = [*(message.extensions or []), extension]


def with_headers(headers: Mapping[str, str], context: Any) -> Any:
    """See `wire.with_headers`."""
    state = dict(context.state) if context is not None else {}
    options = dict(state.get("http_kwargs") or {})
    options["headers"] = {**(options.get("headers") or {}), **headers}
    return ClientCallContext(state={**state, "http_kwargs": options})


async def send(transport: Any, message: Any, context: Any, stream: bool) -> AsyncGenerator[Any]:
    """See `wire.send`."""
    configuration = MessageSendConfiguration(accepted_output_modes=[], blocking=True)
    params = MessageSendParams(message=message, configuration=configuration)
    if not stream:
        yield _json(await transport.send_message(params, context=context))
        return
    async with aclosing(transport.send_message_streaming(params, context=context)) as events:
        async for event in events:
            yield _json(event)


async def subscribe(transport: Any, task_id: str, context: Any) -> AsyncGenerator[Any]:
    """See `wire.subscribe`."""
    events = transport.resubscribe(TaskIdParams(id=task_id), context=context)
    async with aclosing(events):
        async for event in events:
            yield _json(event)


async def get(transport: Any, task_id: str, context: Any) -> Any:
    """See `wire.get`."""
    return _json(await transport.get_task(TaskQueryParams(id=task_id), context=context))


async def cancel(transport: Any, task_id: str, context: Any) -> None:
    """See `wire.cancel`."""
    await transport.cancel_task(TaskIdParams(id=task_id), context=context)


def _json(event: Any) -> Any:
    return event.model_dump(mode="json", by_alias=True, exclude_none=True)


def message_of(request: Any) -> Any:
    """See `wire.message_of`."""
    return request


def event_of(transcript: Transcript) -> Any:
    """See `wire.event_of`."""
    task = Task.model_validate(
        {
            "id": transcript.task_id,
            "contextId": transcript.context_id,
            "status": transcript.status or {"state": transcript.state.value},
            "metadata": transcript.metadata or None,
        }
    )
    return task, None


def is_task_gone(error: BaseException) -> bool:
    """See `wire.is_task_gone`."""
    return _code_of(error) == TaskNotFoundError().code


def is_unsupported(error: BaseException) -> bool:
    """See `wire.is_unsupported`."""
    return _code_of(error) in (MethodNotFoundError().code, UnsupportedOperationError().code)


def _code_of(error: BaseException) -> int | None:
    # The library parses the error as the first type of a union that fits, which is often wrong. So
    # compare the code.
    if not isinstance(error, A2AClientJSONRPCError):
        return None
    return getattr(error.error, "code", None)
