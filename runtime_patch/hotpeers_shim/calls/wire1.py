"""a2a-sdk 1.x: protobuf types."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import httpx
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.client import ClientCallContext, ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
)
from a2a.utils.errors import MethodNotFoundError, TaskNotFoundError, UnsupportedOperationError
from google.protobuf.json_format import MessageToDict, ParseDict

from ..contract import Interface, Peer
from ..reply import Transcript
from .wire import card_url


async def read_card(http: httpx.AsyncClient, peer: Peer) -> list[Interface]:
    """The interfaces in the agent card of a peer, the preferred one first."""
    base, path = card_url(peer)
    card = await A2ACardResolver(http, base).get_agent_card(relative_card_path=path)
    return [
        Interface(
            one.url,
            one.protocol_binding,
            one.protocol_version,
            one.tenant,
            card.capabilities.streaming,
        )
        for one in card.supported_interfaces
    ]


def connect(http: httpx.AsyncClient, interface: Interface, channel: Callable[[str], Any]) -> Any:
    """See `wire.connect`."""
    version = interface.protocolVersion
    card = AgentCard(
        name="peer",
        capabilities=AgentCapabilities(streaming=interface.streaming),
        supported_interfaces=[
            AgentInterface(
                url=interface.url,
                protocol_binding=interface.binding,
                # The library knows 0.3 and 1.x. Older versions look like 0.3 on the wire.
                protocol_version="0.3" if version.startswith("0.") else version or "1.0",
                tenant=interface.tenant,
            )
        ],
    )
    config = ClientConfig(
        httpx_client=http,
        grpc_channel_factory=channel,
        supported_protocol_bindings=[interface.binding],
    )
    return ClientFactory(config).create(card)._transport  # type: ignore[attr-defined]


def text_message(text: str, context_id: str, task_id: str, message_id: str) -> Any:
    """See `wire.text_message`."""
    return Message(
        message_id=message_id,
        role=Role.ROLE_USER,
        parts=[Part(text=text)],
        context_id=context_id,
        task_id=task_id,
    )


def add_metadata(message: Any, entries: Mapping[str, list[str]], extension: str) -> None:
    """See `wire.add_metadata`."""
    message.metadata.update(entries)
    if extension not in message.extensions:
        message.extensions.append(extension)


def with_headers(headers: Mapping[str, str], context: Any) -> Any:
    """See `wire.with_headers`."""
    context = context or ClientCallContext()
    merged = {**(context.service_parameters or {}), **headers}
    return context.model_copy(update={"service_parameters": merged})


async def send(transport: Any, message: Any, context: Any, stream: bool) -> AsyncGenerator[Any]:
    """See `wire.send`."""
    request = SendMessageRequest(message=message)
    if not stream:
        yield MessageToDict(await transport.send_message(request, context=context))
        return
    async with aclosing(transport.send_message_streaming(request, context=context)) as events:
        async for event in events:
            yield MessageToDict(event)


async def subscribe(transport: Any, task_id: str, context: Any) -> AsyncGenerator[Any]:
    """See `wire.subscribe`."""
    events = transport.subscribe(SubscribeToTaskRequest(id=task_id), context=context)
    async with aclosing(events):
        async for event in events:
            yield MessageToDict(event)


async def get(transport: Any, task_id: str, context: Any) -> Any:
    """See `wire.get`."""
    return MessageToDict(await transport.get_task(GetTaskRequest(id=task_id), context=context))


async def cancel(transport: Any, task_id: str, context: Any) -> None:
    """See `wire.cancel`."""
    await transport.cancel_task(CancelTaskRequest(id=task_id), context=context)


def message_of(request: Any) -> Any:
    """See `wire.message_of`."""
    message = request.message
    if not message.parts:
        # kagent's main branch sends a decision in the metadata only. Servers of a2a-sdk 1.3 refuse
        # a message without parts, as the protocol requires.
        message.parts.append(Part(text="The decision is in the metadata of this message."))
    return message


def event_of(transcript: Transcript) -> Any:
    """See `wire.event_of`."""
    data = {
        "id": transcript.task_id,
        "contextId": transcript.context_id,
        "status": transcript.status,
        "metadata": transcript.metadata,
    }
    return StreamResponse(task=ParseDict(data, Task(), ignore_unknown_fields=True))


def is_task_gone(error: BaseException) -> bool:
    """See `wire.is_task_gone`."""
    return isinstance(error, TaskNotFoundError)


def is_unsupported(error: BaseException) -> bool:
    """See `wire.is_unsupported`."""
    return isinstance(error, MethodNotFoundError | UnsupportedOperationError)
