"""What differs between the A2A libraries, chosen once: a2a-sdk 0.3 (`wire0`) or 1.x (`wire1`).

Both modules have the same functions; `call` and `dialogue` know no more of a2a than these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module, metadata
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..contract import Peer

DEFAULT_CARD_PATH = "/.well-known/agent-card.json"


class State(StrEnum):
    """The states of an A2A task that a caller must tell apart."""

    WORKING = "working"
    COMPLETED = "completed"
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as far as it has come: a message, or a task with what it has said up to now.

    `native` is the library's own object, the aggregate of all updates, for those who know its type.
    """

    text: str
    native: Any
    state: State = State.COMPLETED
    task_id: str = ""


class CardRefused(Exception):
    """The agent card cannot be used: it names another origin, or no JSON-RPC address."""


@cache
def _library() -> ModuleType:
    major = int(metadata.version("a2a-sdk").split(".", 1)[0])
    return import_module(f"{__package__}.wire{min(major, 1)}")


async def connect(http: httpx.AsyncClient, peer: Peer) -> Any:
    """Read the peer's agent card and make the library's client for it.

    Raises `CardRefused`, or what the library raises where the card cannot be read.
    """
    return await _library().connect(http, peer)


def text_message(text: str, context_id: str, task_id: str = "") -> Any:
    """A user's message, in the form that `send` takes."""
    return _library().text_message(text, context_id, task_id)


def send(native: Any, message: Any, context: Any = None) -> AsyncIterator[Reply]:
    """Send a message; yields the answer each time that more of it is known."""
    replies: AsyncIterator[Reply] = _library().send(native, message, context)
    return replies


async def cancel(native: Any, task_id: str, context: Any = None) -> None:
    """Ask the peer to cancel a task."""
    await _library().cancel(native, task_id, context)


async def get(native: Any, task_id: str, context: Any = None) -> Reply:
    """Ask the peer for a task as it is now."""
    reply: Reply = await _library().get(native, task_id, context)
    return reply


def message_of(request: Any) -> Any:
    """The message within what the library's client takes to send."""
    return _library().message_of(request)


def event_of(reply: Reply) -> Any:
    """A reply as the event that the library's client would have given at the end."""
    return _library().event_of(reply)


def streams(native: Any) -> bool:
    """Whether the peer answers with a stream, so that its silence can be told from its work."""
    return bool(_library().streams(native))


def is_task_gone(error: BaseException) -> bool:
    """Whether an error says that the task of a message is unknown or has ended."""
    return bool(_library().is_task_gone(error))


def card_url(peer: Peer) -> tuple[str, str]:
    """Base URL and path of the peer's agent card; see `contract.Peer`."""
    base = peer.url.rstrip("/")
    if peer.cardPath.startswith("/"):
        parts = urlsplit(base)
        base = f"{parts.scheme}://{parts.netloc}"
    return base, "/" + (peer.cardPath or DEFAULT_CARD_PATH).lstrip("/")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL; raises ValueError where the port is no number."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, (parts.hostname or "").lower(), port


def check_origin(peer: Peer, url: str) -> None:
    """Raise `CardRefused` unless `url`, of the peer's card, has the peer's origin."""
    try:
        same = origin(url) == origin(peer.url)
    except ValueError:
        same = False
    if not same:
        raise CardRefused(
            f"its agent card says that it is at {url[:200]!r}, another origin than {peer.url!r}"
        )
