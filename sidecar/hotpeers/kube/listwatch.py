"""The list and watch protocol of the API server. Objects are plain dictionaries."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from .client import Client, Params
from .errors import KubeError, TooLargeError, UnreachableError, error_of_event, translated

PAGE = 100
"""Objects requested in one page of a list. A page that is too large is requested with fewer."""
WATCH_SECONDS = (18, 22)
"""The requested duration of a watch in seconds: a random value in this range.

A dead connection looks like a quiet one; only a deadline tells them apart. Bookmarks come only once a
minute, and any proxy on the way answers TCP keepalives. So the server is asked to end the watch after
this time. The next watch continues from the same version, on the same connection, and the server
answers it from its cache. The server also sends a bookmark before it ends a watch.
"""
_SILENCE = 5.0
_MAX_LINE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `version` is the resource version of the whole list."""

    items: list[Any]
    version: str
    last: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch: `ADDED`, `MODIFIED` or `DELETED` with its object."""

    kind: str
    data: Any


@dataclass(frozen=True, slots=True)
class Batch:
    """The events that arrived together, possibly none.

    `version` is the resource version after them; "" if it is unknown.
    """

    events: list[Event]
    version: str


async def list_pages(
    client: Client, path: str, params: Params, limit: int = PAGE
) -> AsyncGenerator[Page, None]:
    """List all objects, in pages of at most `limit`.

    Raises `KubeError`; `GoneError` if the list took too long.
    """
    token = ""
    while True:
        try:
            data = await client.get(path, {**params, "limit": str(limit), "continue": token})
        except TooLargeError:
            # Users can create large objects: retry with fewer objects in a page.
            if limit == 1:
                raise
            limit = max(limit // 4, 1)
            continue
        if not isinstance(data, dict) or not isinstance(data.get("items") or [], list):
            raise KubeError("the answer is no list")
        metadata = data.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        token = str(metadata.get("continue") or "")
        yield Page(
            data.get("items") or [], str(metadata.get("resourceVersion") or ""), last=not token
        )
        if not token:
            return


async def watch_batches(
    client: Client, path: str, params: Params, version: str
) -> AsyncGenerator[Batch, None]:
    """Yield the events after `version` until the server ends the watch at the requested time.

    The first batch is empty and means that the watch is open. Raises `KubeError`: `GoneError` if
    `version` is too old for the server, `SilentError` if the connection seems dead.
    """
    seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - so that many do not come at once
    asked = {
        **params,
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(seconds),
    }
    async with client.stream(path, asked, silence=seconds + _SILENCE) as chunks:
        yield Batch([], "")
        rest = b""
        async for chunk in chunks:
            *lines, rest = (rest + chunk if rest else chunk).split(b"\n")
            if len(rest) > _MAX_LINE:
                raise KubeError(f"an event is larger than {_MAX_LINE} bytes")
            if lines:
                batch, error = _batch(lines)
                yield batch
                if error is not None:
                    raise error
        if rest.strip():
            raise UnreachableError("the watch ended within an event")


def _batch(lines: list[bytes]) -> tuple[Batch, KubeError | None]:
    """The events in `lines`, and the error that ends the watch after them, or None."""
    events: list[Event] = []
    version = ""
    for line in lines:
        if not line.strip():
            continue
        kind, data = _event(line)
        if kind == "ERROR":
            return Batch(events, version), error_of_event(data)
        metadata = data.get("metadata") if isinstance(data, dict) else None
        if isinstance(metadata, dict):
            version = str(metadata.get("resourceVersion") or version)
        if kind != "BOOKMARK":
            events.append(Event(kind, data))
    return Batch(events, version), None


def _event(line: bytes) -> tuple[str, Any]:
    with translated():
        try:
            event = json.loads(line)
        except RecursionError as error:
            raise KubeError("an event nests too deep") from error
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise KubeError("a line of the watch is no event")
    return event["type"], event.get("object")
