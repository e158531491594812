"""One A2A client per event loop and definition of a peer; it closes when the definition is removed.

A client is made at the first call of a peer, not when the peer appears: most peers are never
called. A call holds a lease, so the client of a removed peer closes after the end of its last call.
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
"""The longest time to open a connection or to read an agent card."""
IDLE_SECONDS = 1.0
"""How long to keep an idle connection.

Servers close theirs after 5 s (uvicorn, hypercorn, Node.js) or 2 s (gunicorn), and a request that
is sent at that moment is lost. The default of httpx, 5 s, is too long.
"""

_Key = tuple[str, str, tuple[Interface, ...]]


@dataclass(eq=False)
class Client:
    """The HTTP client of one definition. After the first call it has an A2A transport."""

    http: httpx.AsyncClient
    credentials: CredentialReader
    native: wire.Native | None = None
    users: int = 0
    retired: bool = False
    connecting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def connected(self, peer: Peer, limit: int) -> wire.Native:
        """The A2A transport to the peer. The first call makes it. `limit` is in bytes."""
        async with self.connecting:
            if self.native is None:
                self.native = await wire.connect(self.http, peer, limit, self.credentials)
            return self.native

    async def release(self) -> None:
        """End one use. The end of the last use closes a retired client."""
        self.users -= 1
        if self.retired and self.users == 0:
            await self.http.aclose()

    def forget(self) -> None:
        """Make the next call read the card again: the peer may support other versions now."""
        self.native = None


class Pool:
    """The clients of this process, by event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials = CredentialReader(settings.peer_file)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, Client]] = (
            weakref.WeakKeyDictionary()
        )
        self._wanted: frozenset[_Key] = frozenset()
        self._lock = threading.Lock()

    def follow(self, catalog: Catalog) -> None:
        """Retire the clients of definitions that are not in `catalog`. Thread-safe."""
        self._wanted = frozenset(map(_key, catalog.peers.values()))
        with self._lock:
            loops = list(self._loops)
        for loop in loops:
            # A closed event loop raises RuntimeError. Its connections are closed already.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._retire, loop)

    def _retire(self, loop: asyncio.AbstractEventLoop) -> None:
        clients = self._loops.get(loop, {})
        for key in [key for key in clients if key not in self._wanted]:
            client = clients.pop(key)
            client.retired = True
            if client.users == 0:
                spawn(client.http.aclose())

    async def aclose(self) -> None:
        """Close the clients of the running loop. An agent's process never does this."""
        self._wanted = frozenset()
        clients = self._loops.pop(asyncio.get_running_loop(), {})
        for client in clients.values():
            client.retired = True
            if client.users == 0:
                await client.http.aclose()

    @contextlib.asynccontextmanager
    async def lease(self, peer: Peer) -> AsyncIterator[Client]:
        """The client of `peer` on the running loop. It stays open until the block ends."""
        with self._lock:
            clients = self._loops.setdefault(asyncio.get_running_loop(), {})
        key = _key(peer)
        client = clients.get(key)
        if client is None:
            client = Client(_http_client(self._settings, self._credentials), self._credentials)
            # A peer may be removed in the middle of a step, before the step's call begins.
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
        # No read timeout: `call` limits the whole call and its silence, and reports which it was.
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        headers={"Accept-Encoding": "gzip, deflate"},
    )


_tasks: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine in a new task, which continues if the caller's task is cancelled."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)  # the event loop has only a weak reference to a task
    task.add_done_callback(_tasks.discard)
