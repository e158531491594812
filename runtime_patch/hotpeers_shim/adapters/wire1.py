"""a2a-sdk 1.x: protobuf types, a stream of updates that has to be put together here."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.client import ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types import (
    AgentCard,
    Artifact,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
)
from a2a.utils.errors import TaskNotFoundError

from ..contract import Peer
from .wire import CardRefused, Reply, State, card_url, check_origin

_STATES = {
    TaskState.TASK_STATE_COMPLETED: State.COMPLETED,
    TaskState.TASK_STATE_INPUT_REQUIRED: State.INPUT_REQUIRED,
    TaskState.TASK_STATE_AUTH_REQUIRED: State.AUTH_REQUIRED,
    TaskState.TASK_STATE_FAILED: State.FAILED,
    TaskState.TASK_STATE_CANCELED: State.CANCELED,
    TaskState.TASK_STATE_REJECTED: State.REJECTED,
}


async def connect(http: httpx.AsyncClient, peer: Peer) -> Any:
    """See `wire.connect`."""
    base, path = card_url(peer)
    card = await A2ACardResolver(http, base).get_agent_card(relative_card_path=path)
    usable = [i for i in card.supported_interfaces if i.protocol_binding == "JSONRPC"]
    if not usable:
        raise CardRefused("its agent card names no JSON-RPC address")
    for interface in usable:
        check_origin(peer, interface.url)
    pinned = AgentCard()
    pinned.CopyFrom(card)
    del pinned.supported_interfaces[:]
    pinned.supported_interfaces.extend(usable)
    return ClientFactory(ClientConfig(httpx_client=http, streaming=True)).create(pinned)


def text_message(text: str, context_id: str, task_id: str = "") -> Any:
    """See `wire.text_message`."""
    return Message(
        message_id=str(uuid.uuid4()),
        role=Role.ROLE_USER,
        parts=[Part(text=text)],
        context_id=context_id,
        task_id=task_id,
    )


async def send(native: Any, message: Any, context: Any) -> AsyncIterator[Reply]:
    """See `wire.send`."""
    task = Task()
    async for event in native.send_message(SendMessageRequest(message=message), context=context):
        if event.HasField("message"):
            yield Reply(text=_text(event.message.parts), native=event.message)
            return
        _add(task, event)
        yield _of_task(task)


def _add(task: Task, event: StreamResponse) -> None:
    if event.HasField("task"):
        task.CopyFrom(event.task)
    elif event.HasField("status_update"):
        update = event.status_update
        task.id, task.context_id = update.task_id, update.context_id
        task.status.CopyFrom(update.status)
        if update.HasField("metadata"):
            task.metadata.update(update.metadata)
    elif event.HasField("artifact_update"):
        update = event.artifact_update
        task.id, task.context_id = update.task_id, update.context_id
        _add_artifact(task, update.artifact, append=update.append)


def _add_artifact(task: Task, artifact: Artifact, *, append: bool) -> None:
    for known in task.artifacts:
        if known.artifact_id == artifact.artifact_id:
            if append:
                known.parts.extend(artifact.parts)
            else:
                known.CopyFrom(artifact)
            return
    task.artifacts.append(artifact)


async def cancel(native: Any, task_id: str, context: Any) -> None:
    """See `wire.cancel`."""
    await native.cancel_task(CancelTaskRequest(id=task_id), context=context)


async def get(native: Any, task_id: str, context: Any) -> Reply:
    """See `wire.get`."""
    return _of_task(await native.get_task(GetTaskRequest(id=task_id), context=context))


def message_of(request: Any) -> Any:
    """See `wire.message_of`."""
    message = request.message
    if not message.parts:
        # kagent's main branch sends a decision in the metadata alone; a2a-sdk 1.3 servers refuse a
        # message without parts, as the protocol says.
        message.parts.append(Part(text="The decision is in the metadata of this message."))
    return message


def event_of(reply: Reply) -> Any:
    """See `wire.event_of`."""
    if isinstance(reply.native, Message):
        return StreamResponse(message=reply.native)
    return StreamResponse(task=reply.native)


def streams(native: Any) -> bool:
    """See `wire.streams`."""
    return bool(native._card.capabilities.streaming)


def is_task_gone(error: BaseException) -> bool:
    """See `wire.is_task_gone`."""
    return isinstance(error, TaskNotFoundError) or "terminal state" in str(error)


def _of_task(task: Task) -> Reply:
    text = _text([part for artifact in task.artifacts for part in artifact.parts])
    if not text and task.status.HasField("message"):
        text = _text(task.status.message.parts)
    state = _STATES.get(task.status.state, State.WORKING)
    return Reply(text=text, native=task, state=state, task_id=task.id)


def _text(parts: Any) -> str:
    return "\n".join(part.text for part in parts if part.HasField("text") and part.text)
