"""The HTTP transport below the A2A libraries: limits answers, and repairs common server errors.

The libraries read a whole answer, or a whole line of a stream, without a limit of size. This
transport therefore counts the bytes after decompression, before a library gets them. It follows the
redirects 307 and 308 within the origin of the request, and keeps method and body: some servers
redirect a URL to itself with a slash at the end.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import httpx

from ..contract.counting import ValueCounter

MAX_REDIRECTS = 3
STREAM_TIMES = 8
_STEP = 256 * 1024
_MAX_ERROR = 64 * 1024
_STREAM = "text/event-stream"
_SEPARATORS = tuple((sign.encode(), rb"\u%04x" % ord(sign)) for sign in "\u2028\u2029\u0085")


class TooLarge(Exception):
    """A peer exceeded a limit. The message says which limit, and names its setting."""


class Unreadable(Exception):
    """A peer's answer that no A2A client can read. The message says what is wrong with it."""


class PeerTransport(httpx.AsyncBaseTransport):
    """Sends requests through `choose(url)`, and limits the answers.

    `choose` returns the transport of each hop. `close` is awaited when this transport is closed.
    `reply_bytes` limits one answer or stream. `line_bytes` limits one line of a stream. `values`
    limits the JSON values of one answer or event; a whole stream may have `STREAM_TIMES` as many.
    """

    def __init__(
        self,
        choose: Callable[[httpx.URL], httpx.AsyncBaseTransport],
        close: Callable[[], Awaitable[None]],
        *,
        reply_bytes: int,
        line_bytes: int,
        values: int,
    ) -> None:
        self._choose = choose
        self._close = close
        self._reply_bytes = reply_bytes
        self._line_bytes = line_bytes
        self._values = values

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises `TooLarge`, `Unreadable` or an exception of httpx."""
        response = await self._follow(request)
        try:
            return await self._bound(response, _STREAM in request.headers.get("accept", ""))
        except BaseException:
            # httpx does not have the response yet, so it cannot close it.
            await response.aclose()
            raise

    async def _bound(self, response: httpx.Response, wants_stream: bool) -> httpx.Response:
        body = self._bounded(response, wants_stream)
        if response.status_code >= 400:
            return await _explained(response, body, wants_stream)
        if wants_stream and response.status_code == 200:
            return await _streamed(response, body)
        return _with_body(response, body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._close()

    async def _follow(self, request: httpx.Request) -> httpx.Response:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._choose(request.url).handle_async_request(request)
            if response.status_code not in (307, 308):
                return response
            target = request.url.join(response.headers.get("location", ""))
            await response.aclose()
            if _origin(target) != _origin(request.url):
                raise Unreadable(f"it redirects to another origin, {_shown(target)}")
            request = httpx.Request(
                request.method,
                target,
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        raise Unreadable(f"it redirects more than {MAX_REDIRECTS} times")

    async def _bounded(self, response: httpx.Response, stream: bool) -> AsyncGenerator[bytes]:
        """The decoded body. Raises `TooLarge` as soon as it exceeds a limit."""
        total = line = 0
        values = ValueCounter()
        async with aclosing(_decoded(response)) as chunks:
            async for chunk in chunks:
                total += len(chunk)
                if total > self._reply_bytes:
                    raise TooLarge(f"its answer is {_over(self._reply_bytes, 'REPLY')}")
                if values.add(chunk) > self._values or values.total > STREAM_TIMES * self._values:
                    more = f"more than {self._values:,} JSON values (HOTPEERS_MAX_REPLY_VALUES)"
                    raise TooLarge(f"its answer has {more}")
                if stream:
                    first, *others = chunk.replace(b"\r", b"\n").split(b"\n")
                    lengths = [line + len(first), *map(len, others)]
                    line = lengths[-1]
                    if max(lengths) > self._line_bytes:
                        raise TooLarge(f"a line of its answer is {_over(self._line_bytes, 'LINE')}")
                yield chunk


async def _decoded(response: httpx.Response) -> AsyncGenerator[bytes]:
    """The decompressed body, in pieces of at most `_STEP` bytes."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise Unreadable(f"its answer is compressed as {encoding[:40]!r}, which was not asked for")
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an async transport
    if encoding in ("identity", ""):
        async for chunk in response.stream:
            for start in range(0, len(chunk), _STEP):
                yield chunk[start : start + _STEP]
        return
    # 32: zlib detects gzip or zlib by the header of the data.
    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
    async for chunk in response.stream:
        data = chunk
        while data:
            try:
                piece = inflate.decompress(data, _STEP)
            except zlib.error as error:
                raise Unreadable(f"its answer is not {encoding}: {error}") from error
            if piece:
                yield piece
            data = inflate.unconsumed_tail
            if inflate.eof:
                # A gzip stream may have several members: continue with the next one.
                data = inflate.unused_data
                inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
    yield inflate.flush()


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes], response: httpx.Response) -> None:
        self._chunks = chunks
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _with_body(
    response: httpx.Response, chunks: AsyncIterator[bytes], **changed: Any
) -> httpx.Response:
    """The response with another body, which is not compressed and has no known length."""
    headers = _plain_headers(response)
    headers.update(changed.pop("headers", {}))
    return httpx.Response(
        changed.pop("status_code", response.status_code),
        headers=headers,
        stream=_Body(chunks, response),
        extensions=response.extensions,
    )


def _plain_headers(response: httpx.Response) -> httpx.Headers:
    headers = httpx.Headers(response.headers)
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    return headers


async def _explained(
    response: httpx.Response, body: AsyncGenerator[bytes], stream: bool
) -> httpx.Response:
    """A response for an error status, from which the library can read the server's message.

    Some servers send a JSON-RPC error with status 400 or 500, and the libraries then report only
    the status. Such an answer gets status 200, so that the library reads the error. Any other body
    is read here and put into `content`, because the libraries raise before they read it.
    """
    kept = b""
    async with aclosing(body):
        async for chunk in body:
            kept += chunk
            if len(kept) > _MAX_ERROR:
                break
    kept = kept[:_MAX_ERROR]
    if _is_rpc_error(kept) and stream:
        return _as_stream(response, _as_event(kept, _once(b"")), status_code=200)
    if _is_rpc_error(kept):
        return _with_body(response, _once(kept), status_code=200)
    await response.aclose()
    headers = _plain_headers(response)
    return httpx.Response(
        response.status_code, headers=headers, content=kept, extensions=response.extensions
    )


async def _streamed(response: httpx.Response, body: AsyncGenerator[bytes]) -> httpx.Response:
    """A stream of events, even if the server sent plain JSON or another content type."""
    named = response.headers.get("content-type", "").lower()
    if _STREAM in named:
        return _as_stream(response, body)
    first = b""
    async for chunk in body:
        first += chunk
        if first.strip():
            break
    if first.lstrip()[:1] in (b"{", b"["):
        return _as_stream(response, _as_event(first, body))
    if first.lstrip().startswith((b"data:", b"event:", b"id:", b"retry:", b":")):
        return _as_stream(response, _chained(first, body))
    await response.aclose()
    raise Unreadable(f"its answer is of the type {named[:80] or 'none'!r}, and no A2A message")


def _as_stream(
    response: httpx.Response, chunks: AsyncIterator[bytes], **changed: Any
) -> httpx.Response:
    """A response whose body is a stream. a2a-sdk 0.3 expects the content type in lower case."""
    return _with_body(
        response, _in_plain_lines(chunks), headers={"content-type": _STREAM}, **changed
    )


async def _in_plain_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Escape the characters that end a line for the library, but not in SSE.

    a2a-sdk 1.x reads a stream with `httpx.Response.aiter_lines`, which also splits at U+2028,
    U+2029 and U+0085. JSON strings may contain them unescaped. Their JSON escapes mean the same.
    """
    rest = b""
    async for chunk in chunks:
        data = rest + chunk
        cut = 2 if data.endswith(b"\xe2\x80") else int(data.endswith((b"\xe2", b"\xc2")))
        data, rest = data[: len(data) - cut], data[len(data) - cut :]
        for found, escape in _SEPARATORS:
            data = data.replace(found, escape)
        yield data
    yield rest


async def _as_event(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Turn a JSON body into one event of a stream. Its line ends become spaces, as JSON allows."""
    yield b"data: "
    async for chunk in _chained(first, rest):
        yield chunk.replace(b"\r", b" ").replace(b"\n", b" ")
    yield b"\n\n"


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _is_rpc_error(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "jsonrpc" in found and isinstance(found.get("error"), dict)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _shown(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')[:200]}"


def _over(limit: int, setting: str) -> str:
    return f"larger than {limit / 1024 / 1024:g} MiB (HOTPEERS_MAX_{setting}_BYTES)"
