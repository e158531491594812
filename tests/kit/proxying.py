"""A real forward proxy: absolute-form requests and CONNECT, each name answered by a server of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class ForwardProxy:
    """Forwards to `target` for any requested host; `asked` are the lines of its requests.

    With `answer`, it sends this status line instead of forwarding.
    """

    def __init__(self, target: str, answer: str = "") -> None:
        self._target = urlsplit(target)
        self._answer = answer
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *fields = head.split("\r\n")
            self.asked.append(first)
            self.credentials += [
                field for field in fields if field.lower().startswith("proxy-authorization")
            ]
            if self._answer:
                writer.write(f"HTTP/1.1 {self._answer}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
            else:
                await self._forward(first, fields, reader, writer)
        writer.close()

    async def _forward(
        self,
        first: str,
        fields: list[str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        method, url, version = first.split(" ")
        there, out = await asyncio.open_connection(self._target.hostname, self._target.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = urlsplit(url).path or "/"
            kept = [field for field in fields if not field.lower().startswith("proxy-")]
            out.write("\r\n".join([f"{method} {path} {version}", *kept]).encode())
        await asyncio.gather(_pump(reader, out), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def forward_proxy(target: str, answer: str = "") -> AsyncIterator[ForwardProxy]:
    proxy = ForwardProxy(target, answer)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
