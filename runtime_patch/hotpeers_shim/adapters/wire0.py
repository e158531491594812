"""a2a-sdk 0.3: pydantic types, `ClientEvent` tuples that already hold the aggregated task."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.client import ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.types import (
    Message,
    Part,
    Role,
    Task,
    TaskIdParams,
    TaskNotFoundError,
    TaskQueryParams,
    TextPart,
    TransportProtocol,
)

from ..contract import Peer
from .wire import CardRefused, Reply, State, card_url, check_origin


async def connect(http: httpx.AsyncClient, peer: Peer) -> Any:
    """See `wire.connect`."""
    base, path = card_url(peer)
    card = await A2ACardResolver(http, base).get_agent_card(relative_card_path=path)
    url = _json_rpc_url(card)
    check_origin(peer, url)
    pinned = card.model_copy(
        update={
            "url": url,
            "preferred_transport": TransportProtocol.jsonrpc,
            "additional_interfaces": None,
        }
    )
    config = ClientConfig(
        httpx_client=http, streaming=True, supported_transports=[TransportProtocol.jsonrpc]
    )
    return ClientFactory(config).create(pinned, interceptors=_interceptors())


def _json_rpc_url(card: Any) -> str:
    if card.preferred_transport in (None, TransportProtocol.jsonrpc) and card.url:
        return str(card.url)
    for interface in card.additional_interfaces or []:
        if interface.transport == TransportProtocol.jsonrpc:
            return str(interface.url)
    raise CardRefused("its agent card names no JSON-RPC address")


def _interceptors() -> list[Any]:
    try:
        from .kagent import interceptors  # noqa: PLC0415 - only where kagent is
    except ImportError:
        return []
    return interceptors()


def text_message(text: str, context_id: str, task_id: str = "") -> Any:
    """See `wire.text_message`."""
    return Message(
        message_id=str(uuid.uuid4()),
        role=Role.user,
        parts=[Part(root=TextPart(text=text))],
        context_id=context_id,
        task_id=task_id or None,
    )


async def send(native: Any, message: Any, context: Any) -> AsyncIterator[Reply]:
    """See `wire.send`."""
    async for event in native.send_message(message, context=context):
        if isinstance(event, Message):
            yield Reply(text=_text(event.parts), native=event)
        else:
            yield _of_task(event[0])


async def cancel(native: Any, task_id: str, context: Any) -> None:
    """See `wire.cancel`."""
    await native.cancel_task(TaskIdParams(id=task_id), context=context)


async def get(native: Any, task_id: str, context: Any) -> Reply:
    """See `wire.get`."""
    return _of_task(await native.get_task(TaskQueryParams(id=task_id), context=context))


def message_of(request: Any) -> Any:
    """See `wire.message_of`."""
    return request


def event_of(reply: Reply) -> Any:
    """See `wire.event_of`."""
    return reply.native if isinstance(reply.native, Message) else (reply.native, None)


def streams(native: Any) -> bool:
    """See `wire.streams`."""
    return bool(native._card.capabilities and native._card.capabilities.streaming)


def is_task_gone(error: BaseException) -> bool:
    """See `wire.is_task_gone`."""
    if not isinstance(error, A2AClientJSONRPCError):
        return False
    # The library parses the error into the first type of a union that fits, seldom the right one.
    if getattr(error.error, "code", None) == TaskNotFoundError().code:
        return True
    return "terminal state" in str(getattr(error.error, "message", "") or "")


def _of_task(task: Task) -> Reply:
    parts = [part for artifact in task.artifacts or [] for part in artifact.parts]
    text = _text(parts)
    if not text and task.status.message is not None:
        text = _text(task.status.message.parts)
    try:
        state = State(task.status.state.value)
    except ValueError:  # submitted, unknown
        state = State.WORKING
    return Reply(text=text, native=task, state=state, task_id=task.id)


def _text(parts: list[Part]) -> str:
    return "\n".join(
        part.root.text for part in parts if isinstance(part.root, TextPart) and part.root.text
    )
