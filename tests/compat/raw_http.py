"""HTTP/1.1 to the byte, on asyncio alone: a test controls every sent byte, and where it is cut."""

import asyncio
import contextlib
import json
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from raw_wire import FILL

_PIECE = 64 * 1024
_MAX_REQUEST = 8 * 1024 * 1024


class Cut(Exception):
    """The connection is to be dropped here; `hard` resets it."""

    def __init__(self, *, hard: bool = False) -> None:
        super().__init__("cut on purpose")
        self.hard = hard


@dataclass
class Request:
    """One request. Names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass
class Response:
    """Writes one response. A body that is begun and not ended is seen as cut by any client."""

    writer: asyncio.StreamWriter
    begun: bool = False
    _deflate: Any = field(default=None, repr=False)

    async def begin(
        self,
        status: int = 200,
        kind: str = "application/json",
        *,
        gzip: bool = False,
        **headers: str,
    ) -> None:
        """The head, of a body in chunks."""
        lines = [f"HTTP/1.1 {status} Raw", f"content-type: {kind}", "transfer-encoding: chunked"]
        if gzip:
            self._deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
            lines.append("content-encoding: gzip")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "connection: close", "", ""]).encode())
        self.begun = True
        await self.writer.drain()

    async def send(self, data: bytes) -> None:
        """A part of the body; `@FILL:N@` in it becomes N letters."""
        start = 0
        for match in FILL.finditer(data):
            await self._chunk(data[start : match.start()])
            left, start = int(match[1]), match.end()
            piece = b"x" * _PIECE
            while left:
                await self._chunk(piece[:left], flush=False)
                left -= min(left, _PIECE)
        await self._chunk(data[start:])

    async def _chunk(self, data: bytes, *, flush: bool = True) -> None:
        if self._deflate is not None:
            data = self._deflate.compress(data)
            data += self._deflate.flush(zlib.Z_SYNC_FLUSH) if flush else b""
        if data:
            self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        """The end of the body."""
        if self._deflate is not None:
            rest = self._deflate.flush()
            self.writer.write(b"%x\r\n%b\r\n" % (len(rest), rest))
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def whole(
        self,
        body: bytes,
        status: int = 200,
        kind: str = "application/json",
        *,
        gzip: bool = False,
        **headers: str,
    ) -> None:
        """A response in one go."""
        await self.begin(status, kind, gzip=gzip, **headers)
        await self.send(body)
        await self.end()


Handler = Callable[[Request, Response], Awaitable[None]]


async def serve(listener: socket.socket, handle: Handler) -> None:
    """Serve for ever: one request a connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            if request is not None:
                await handle(request, Response(writer))
        except Cut as cut:
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            if cut.hard:
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, sock=listener, limit=_MAX_REQUEST)
    async with server:
        await server.serve_forever()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body)
