"""A proxy between a client and a server, which can break their connection."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_SECONDS = 30.0
_ABORT = struct.pack("ii", 1, 0)


class Proxy:
    """A TCP proxy on 127.0.0.1 in a thread of its own; TLS passes through it untouched.

    Connections go to its targets (ports) in turn, as those to a Service do; one that refuses is
    passed over.
    """

    def __init__(self, *targets: int) -> None:
        self._targets = deque(targets)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy")
        self._thread.start()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing: asyncio.Event
        self._server: asyncio.Server | None = None
        self.port = 0
        self.accepted = 0
        self._call(self._listen())

    @property
    def url(self) -> str:
        """The address to give to the client."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        return len(self._tasks)

    def black_hole(self) -> None:
        """Pass nothing on from now, not even an end: new connections are taken and never answered."""
        self._call(_of(self._flowing.clear))

    def forget(self) -> None:
        """Stop forwarding on all open connections, for good. New connections are served.

        A router that lost its table does this: neither end learns that the connection is dead.
        """
        self._call(_of(self._forget))

    def heal(self) -> None:
        """Forward again, including held-back data, and listen again."""
        self._call(_of(self._flowing.set))
        self._call(self._listen())

    def cut(self) -> None:
        """Reset every open connection; new ones are served."""
        self._call(_of(self._reset))

    def refuse(self) -> None:
        """Reset every open connection, and refuse new ones until `heal`."""
        self._call(self._close_server())
        self._call(_of(self._reset))

    def close(self) -> None:
        """End it."""
        self._call(self._close_server())
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    def _forget(self) -> None:
        self._flowing.clear()
        self._flowing = _set_event()

    async def _listen(self) -> None:
        if self._server is None:
            if not self.port:
                self._flowing = _set_event()
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        self._reset()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted connection is closed in the loop's next round

    def _reset(self) -> None:
        for writer in self._open:
            with suppress(OSError):
                # Closed with a time to linger of 0, a socket sends RST instead of FIN.
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _ABORT
                )
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        self.accepted += 1
        onward: asyncio.StreamWriter | None = None
        flowing = self._flowing
        try:
            await flowing.wait()
            back, onward = await self._onward()
            self._open.add(onward)
            await asyncio.gather(_pass(reader, onward, flowing), _pass(back, writer, flowing))
            onward.close()
            writer.close()
        # Broken connections are expected here; `start_server` would report a cancelled task.
        except (OSError, asyncio.CancelledError):
            for one in (writer, onward):
                if one is not None:
                    one.transport.abort()
        finally:
            self._tasks.discard(task)
            self._open -= {writer, onward}

    async def _onward(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._targets.rotate(-1)
        # A copy: connections that are made meanwhile rotate the targets too.
        *others, last = self._targets
        for port in others:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return await asyncio.open_connection("127.0.0.1", last)


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
) -> None:
    while True:
        data = await reader.read(65_536)
        await flowing.wait()
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def _of(call: Callable[[], T]) -> T:
    return call()
