"""Sends one question to an agent over A2A, from reading its card to the end of the task.

a2a-sdk and httpx are imported on first use, because the other tools do not need their memory.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hotpeers_shim.contract import clean_text
from hotpeers_shim.reply import State, Transcript, contents, parse_event

from ..base.origin import UrlError, origin_of
from ..registry.fault import Fault
from ..sidecar.reasons import SidecarReason
from .reasons import McpReason

if TYPE_CHECKING:
    import httpx
    from a2a.client import Client

logger = logging.getLogger(__name__)

MAX_ANSWER = 32 * 1024
"""Longest answer that is returned, in characters. The middle of a longer one is left out."""
_MAX_RESPONSE_BYTES = 4 * 1024 * 1024
_LOOK_SECONDS = 0.5
_CARD_SECONDS = 15.0
_REQUEST_SECONDS = 30.0
_MAX_LOST = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """The final state of the task (`completed`, `failed`, `input-required` …) and the agent's text."""

    state: str
    text: str
    cut: bool = False


async def ask(url: str, message: str) -> Answer:
    """Ask the agent at `url`. The caller sets the timeout. Raises `Fault`."""
    async with _http_client() as http:
        client = await _connect(http, url)
        try:
            return await _converse(client, message)
        except Fault:
            raise
        # The exceptions of an A2A client have no common base class.
        except Exception as error:
            raise _unreachable(url, error) from error


async def _connect(http: httpx.AsyncClient, url: str) -> Client:
    """The client for the agent's card. Retries, since a Service may lag behind the agent's readiness."""
    from a2a.client import A2ACardResolver, ClientConfig, ClientFactory  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    end = loop.time() + _CARD_SECONDS
    while True:
        try:
            card = await A2ACardResolver(http, url).get_agent_card()
            break
        except Exception as error:
            if loop.time() > end:
                raise _unreachable(url, error) from error
        await asyncio.sleep(_LOOK_SECONDS)
    usable = [one for one in card.supported_interfaces if one.protocol_binding == "JSONRPC"]
    if not usable:
        raise Fault(McpReason.AGENT_UNREACHABLE, f"{url}: its agent card names no JSON-RPC address")
    for one in usable:
        _check_origin(one.url, url)
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(usable)
    return ClientFactory(ClientConfig(httpx_client=http, streaming=False, polling=True)).create(
        card
    )


def _check_origin(found: str, url: str) -> None:
    try:
        same = origin_of(found) == origin_of(url)
    except UrlError:
        same = False
    if not same:
        said = clean_text(found, 200)
        message = f"{url}: its agent card sends calls to another origin, {said!r}"
        raise Fault(SidecarReason.CARD_ORIGIN_MISMATCH, message)


async def _converse(client: Client, text: str) -> Answer:
    from a2a.types import Message, Part, Role, SendMessageRequest  # noqa: PLC0415
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    message = Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)])
    transcript = Transcript()
    async for event in client.send_message(SendMessageRequest(message=message)):
        transcript.add(parse_event(MessageToDict(event)))
    if transcript.is_empty:
        raise Fault(
            McpReason.AGENT_UNREACHABLE, "the agent answered with neither a message nor a task"
        )
    await _follow(client, transcript)
    said, cut = contents(transcript.reply(), limit=MAX_ANSWER)
    return Answer(transcript.state.value, said, cut)


async def _follow(client: Client, transcript: Transcript) -> None:
    from a2a.types import GetTaskRequest  # noqa: PLC0415
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    lost = 0
    while transcript.state is State.WORKING and transcript.task_id:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            task = await client.get_task(GetTaskRequest(id=transcript.task_id))
        except Exception as error:
            lost += 1
            if lost > _MAX_LOST:
                raise
            said = clean_text(str(error), 200)
            logger.info("task %s cannot be read now: %s", transcript.task_id, said)
        else:
            lost = 0
            transcript.add(parse_event(MessageToDict(task)))


def _unreachable(url: str, error: Exception) -> Fault:
    said = clean_text(str(error), 300) or type(error).__name__
    return Fault(McpReason.AGENT_UNREACHABLE, f"{url}: {said}")


@asynccontextmanager
async def _http_client() -> AsyncIterator[httpx.AsyncClient]:
    import httpx  # noqa: PLC0415

    async def bound(response: httpx.Response) -> None:
        # A compressed answer could have any size after decompression.
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx.DecodingError("it packs its answer, though asked not to")
        response.stream = _bounded(response.stream)

    async with httpx.AsyncClient(
        timeout=httpx.Timeout(_REQUEST_SECONDS, connect=5.0),
        # Close idle connections before the agent does. Otherwise a request sent at that moment is lost.
        limits=httpx.Limits(keepalive_expiry=1.0),
        follow_redirects=False,
        # Do not use a proxy inside the cluster.
        trust_env=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [bound]},
    ) as http:
        yield http


def _bounded(stream: Any) -> Any:
    import httpx  # noqa: PLC0415

    class Bounded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in stream:
                size += len(chunk)
                if size > _MAX_RESPONSE_BYTES:
                    raise httpx.ReadError(f"its answer is larger than {_MAX_RESPONSE_BYTES} bytes")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
