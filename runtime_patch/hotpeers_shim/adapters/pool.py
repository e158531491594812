"""One A2A client for each event loop and definition, counted and closed when the definition goes.

A client is made at the first call of a peer, not when the peer appears: most are never called. A
call holds a lease, so a client whose peer was removed closes only when its last call has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..catalog import Catalog
from ..contract import Interface, Peer
from ..credentials import CredentialReader
from ..settings import Settings
from . import wire
from .routes import Routes
from .transport import PeerTransport

CONNECT_SECONDS = 10.0
"""Longest time to open a connection or to read an agent card."""
IDLE_SECONDS = 1.0
"""How long a connection that nobody uses is kept. Servers close theirs after 5 s (uvicorn, hypercorn,
Node.js) or 2 s (gunicorn), and a request that is sent at that moment is lost; httpx waits for 5 s too."""

_Key = tuple[str, str, tuple[Interface, ...]]


@dataclass(eq=False)
class Client:
    """The HTTP client of one definition, and the A2A transport on it once it was called."""

    http: httpx.AsyncClient
    credentials: CredentialReader
    native: wire.Native | None = None
    users: int = 0
    retired: bool = False
    connecting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def connected(self, peer: Peer, limit: int) -> wire.Native:
        """The A2A transport to the peer, made at the first call. `limit` is in bytes."""
        async with self.connecting:
            if self.native is None:
                self.native = await wire.connect(self.http, peer, limit, self.credentials)
            return self.native

    async def release(self) -> None:
        """End one use; the last use of a retired client closes it."""
        self.users -= 1
        if self.retired and self.users == 0:
            await self.http.aclose()

    def forget(self) -> None:
        """Read the card anew before the next call: the peer may speak another version now."""
        self.native = None


class Pool:
    """The clients of one process, by event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials = CredentialReader(settings.peer_file)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, Client]] = (
            weakref.WeakKeyDictionary()
        )
        self._wanted: frozenset[_Key] = frozenset()
        self._lock = threading.Lock()

    def follow(self, catalog: Catalog) -> None:
        """Retire the clients of definitions that `catalog` no longer holds; from any thread."""
        self._wanted = frozenset(map(_key, catalog.peers.values()))
        with self._lock:
            loops = list(self._loops)
        for loop in loops:
            # A loop that was closed took its connections with it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._retire, loop)

    def _retire(self, loop: asyncio.AbstractEventLoop) -> None:
        clients = self._loops.get(loop, {})
        for key in [key for key in clients if key not in self._wanted]:
            client = clients.pop(key)
            client.retired = True
            if client.users == 0:
                spawn(client.http.aclose())

    @contextlib.asynccontextmanager
    async def lease(self, peer: Peer) -> AsyncIterator[Client]:
        """The client of `peer` on the running loop, kept open for as long as the block runs."""
        with self._lock:
            clients = self._loops.setdefault(asyncio.get_running_loop(), {})
        key = _key(peer)
        client = clients.get(key)
        if client is None:
            client = Client(_http_client(self._settings, self._credentials), self._credentials)
            # A call may begin after its peer was removed: the step that it belongs to had it.
            client.retired = key not in self._wanted
            if not client.retired:
                clients[key] = client
        client.users += 1
        try:
            yield client
        finally:
            await client.release()


def _key(peer: Peer) -> _Key:
    return peer.url, peer.cardPath, peer.interfaces


def _http_client(settings: Settings, credentials: CredentialReader) -> httpx.AsyncClient:
    limits = httpx.Limits(
        max_connections=100, max_keepalive_connections=20, keepalive_expiry=IDLE_SECONDS
    )
    routes = Routes(credentials, limits)
    return httpx.AsyncClient(
        transport=PeerTransport(
            routes.choose,
            routes.aclose,
            reply_bytes=settings.max_reply_bytes,
            line_bytes=settings.max_line_bytes,
            values=settings.max_reply_values,
        ),
        # No read timeout: `call` bounds the whole and the silence, and knows how to say which it was.
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        headers={"Accept-Encoding": "gzip, deflate"},
    )


_tasks: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine on the running loop, to its end, whatever happens to its maker."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)  # the loop itself holds a task only weakly
    task.add_done_callback(_tasks.discard)
