"""One interface to the A2A libraries: a2a-sdk 0.3 (`wire0`) or 1.x (`wire1`).

Both modules have the same functions, and return a peer's answers as plain JSON for
`hotpeers_shim.reply`. Both use the library's transports instead of its `Client`. The `Client` loses
unexpected events: a task snapshot between chunks, an appended chunk that comes first, a second
message.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..contract import Interface, Peer
from ..credentials import CredentialReader
from ..reply import Transcript
from .channel import CertificateNeeded, open_channel

DEFAULT_CARD_PATH = "/.well-known/agent-card.json"
JSON_RPC, HTTP_JSON, GRPC = "JSONRPC", "HTTP+JSON", "GRPC"


class CardRefused(Exception):
    """The agent card or the peer file does not allow a call of the peer. The message says why."""


@dataclass(frozen=True, slots=True)
class Native:
    """The library's transport to one interface of a peer. `streams`: whether it streams answers."""

    transport: Any
    streams: bool


@cache
def _major() -> int:
    return int(metadata.version("a2a-sdk").split(".", 1)[0])


@cache
def _library() -> ModuleType:
    return import_module(f"{__package__}.wire{min(_major(), 1)}")


def speaks(interface: Interface) -> bool:
    """Whether the installed library can use an interface. Does not import the library."""
    if interface.binding not in (JSON_RPC, HTTP_JSON, GRPC):
        return False
    if interface.binding == GRPC and find_spec("grpc") is None:
        return False
    # The library assumes its own version for an interface without a version.
    old = interface.protocolVersion.startswith("0.")
    return _major() >= 1 or old or not interface.protocolVersion


def usable(peer: Peer) -> bool:
    """Whether the library can call a peer. A peer without a list of interfaces counts as usable."""
    return not peer.interfaces or any(map(speaks, peer.interfaces))


async def connect(
    http: httpx.AsyncClient, peer: Peer, limit: int, credentials: CredentialReader
) -> Native:
    """The transport to the first interface of a peer that the library supports.

    The interfaces are those in the peer file, or else those in the agent card, which is then
    fetched. `limit` is the maximum of a gRPC message, in bytes. `credentials` serve only gRPC:
    `http` has its own. Raises `CardRefused`, or the library's exception if the card cannot be read.
    """
    interfaces = peer.interfaces or await _library().read_card(http, peer)
    for interface in interfaces:
        if speaks(interface):
            check_origin(peer, interface)
            try:
                transport = _library().connect(
                    http, interface, lambda url: open_channel(url, limit, credentials)
                )
            except CertificateNeeded as error:
                raise CardRefused(str(error)) from error
            return Native(transport, interface.streaming)
    offered = ", ".join(f"{one.binding} {one.protocolVersion}".strip() for one in interfaces)
    raise CardRefused(
        f"this agent's a2a-sdk {metadata.version('a2a-sdk')} speaks none of: {offered or 'nothing'}"
    )


def text_message(text: str, context_id: str, task_id: str = "", message_id: str = "") -> Any:
    """A user's message, in the form that `send` takes. An empty id is left out.

    Without a `message_id`, the message gets a random one.
    """
    return _library().text_message(text, context_id, task_id, message_id or str(uuid.uuid4()))


def add_metadata(message: Any, entries: Mapping[str, list[str]], extension: str) -> None:
    """Add entries to the metadata of a message, and the extension's URI to its `extensions`."""
    _library().add_metadata(message, entries, extension)


def with_headers(headers: Mapping[str, str], context: Any = None) -> Any:
    """A copy of the library's call context in which calls also carry these headers.

    Over gRPC they are metadata, but a2a-sdk 0.3 sends none there.
    """
    return _library().with_headers(headers, context)


def send(native: Native, message: Any, context: Any, *, stream: bool) -> AsyncGenerator[Any]:
    """Send a message. Yields the JSON of each event, or of the one answer if `stream` is False."""
    events: AsyncGenerator[Any] = _library().send(native.transport, message, context, stream)
    return events


def subscribe(native: Native, task_id: str, context: Any) -> AsyncGenerator[Any]:
    """Follow a running task. Yields the JSON of each event from now on."""
    events: AsyncGenerator[Any] = _library().subscribe(native.transport, task_id, context)
    return events


async def get(native: Native, task_id: str, context: Any) -> Any:
    """The JSON of the current state of a task."""
    return await _library().get(native.transport, task_id, context)


async def cancel(native: Native, task_id: str, context: Any) -> None:
    """Ask the peer to cancel a task."""
    await _library().cancel(native.transport, task_id, context)


def message_of(request: Any) -> Any:
    """The message in `request`, which is the argument of `send_message` in the library's client."""
    return _library().message_of(request)


def event_of(transcript: Transcript) -> Any:
    """The task of a transcript, in the form of the last event of the library's client.

    It has the newest status and the metadata, because kagent reads them. It has no artifacts.
    """
    return _library().event_of(transcript)


def is_task_gone(error: BaseException) -> bool:
    """Whether an error says that the task of a message is unknown or has ended."""
    return bool(_library().is_task_gone(error)) or "terminal state" in str(error)


def is_unsupported(error: BaseException) -> bool:
    """Whether an error says that the peer does not know the method that was called."""
    return bool(_library().is_unsupported(error))


def card_url(peer: Peer) -> tuple[str, str]:
    """Base URL and path of the peer's agent card; see `contract.Peer`."""
    base = peer.url.rstrip("/")
    if peer.cardPath.startswith("/"):
        parts = urlsplit(base)
        base = f"{parts.scheme}://{parts.netloc}"
    return base, "/" + (peer.cardPath or DEFAULT_CARD_PATH).lstrip("/")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Raises ValueError if the port is not a valid number."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, (parts.hostname or "").lower(), port


def check_origin(peer: Peer, interface: Interface) -> None:
    """Raise `CardRefused` unless an interface of the peer has the peer's origin.

    A gRPC interface has its own port and often no scheme, so only its host must be the peer's.
    """
    url = interface.url
    try:
        if interface.binding == GRPC:
            same = origin(url if "://" in url else f"grpc://{url}")[1] == origin(peer.url)[1]
        else:
            same = origin(url) == origin(peer.url)
    except ValueError:
        same = False
    if not same:
        raise CardRefused(
            f"its agent card says that it is at {url[:200]!r}, another origin than {peer.url!r}"
        )
