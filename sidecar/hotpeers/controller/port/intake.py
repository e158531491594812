"""Reads request bodies with limits, which are checked as bytes arrive. Large bodies take turns."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from hotpeers_shim.contract.counting import JsonCounter

from .limits import MIB, Limits
from .line import Line
from .turns import Busy, Turns

_USER = re.compile(rb'"userInfo"\s*:\s*\{\s*"username"\s*:\s*("(?:[^"\\]|\\.){0,1024}")')
_UID = re.compile(rb'"request"\s*:\s*\{\s*"uid"\s*:\s*"([-0-9A-Za-z]{1,64})"')
_SURROGATE = re.compile(rb"\\u[dD][89abAB]")
_BEGINNING = 4096
"""Bytes of a large body that are read first: enough to find its subject."""
_UP_TO_3_BYTES = bytes(range(0xF0))
_BYTES_OF_VALUE = 250
"""Memory of an object with one member and its name. Most values need less."""


class BodyError(Exception):
    """A body is rejected with this HTTP status. The message contains nothing of the body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.uid = ""
        """The uid of the AdmissionReview; "" if its beginning was not read."""


class BusyError(BodyError):
    """Other bodies use the whole limit for longer than a caller should wait."""

    def __init__(self) -> None:
        super().__init__(503, "too many large requests at once; try again")


class GoneError(BodyError):
    """The caller disconnected, so there is no answer."""

    def __init__(self) -> None:
        super().__init__(400, "the connection ended before the request did")


class Intake:
    """Reads the bodies of one port, within the limits that they share."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._reading = Turns(limits.read_bytes, limits.read_bytes_each, limits.turn_seconds)
        self._parsing = Turns(limits.parsed_bytes, limits.parsed_bytes_each, limits.turn_seconds)

    @asynccontextmanager
    async def body(self, request: web.Request) -> AsyncIterator[str]:
        """The body of a request, for as long as it is being answered.

        Raises `BodyError` if the body is rejected.
        """
        length = self._length(request)
        async with AsyncExitStack() as parsing:
            raw = bytearray()
            try:
                async with _connected(request), AsyncExitStack() as reading:
                    await self._read_all(request, raw, length, parsing, reading)
                    text = _text_of(raw)
            except BodyError as error:
                found = _UID.search(raw[:_BEGINNING])
                error.uid = found[1].decode() if found else ""
                raise
            finally:
                # The traceback of an error keeps `raw` alive until the next garbage collection.
                raw.clear()
            yield text

    async def _read_all(
        self,
        request: web.Request,
        raw: bytearray,
        length: int,
        parsing: AsyncExitStack,
        reading: AsyncExitStack,
    ) -> None:
        """Read a body.

        The share of the read limit is held until `reading` closes, that of the parse limit until
        `parsing` closes.
        """
        limits, counter = self._limits, JsonCounter()
        is_small = length <= limits.small_bytes
        await self._read(request, raw, counter, length if is_small else _BEGINNING)
        keys = (f"address {request.remote}", f"subject {subject_of(raw)}")
        if not is_small:
            await _enter(reading, self._reading, keys, length)
            await self._read(request, raw, counter, length)
        cost = cost_of(raw, counter.values)
        if cost > limits.parsed_bytes_each:
            raise BodyError(413, f"it would take {cost // MIB} MiB of memory")
        await _enter(parsing, self._parsing, keys, cost)

    def _length(self, request: web.Request) -> int:
        """The length of the body according to the headers."""
        length, most = request.content_length, self._limits.body_bytes
        if length is None:
            raise BodyError(411, "its Content-Length is missing")
        if length > most:
            raise BodyError(413, f"it is larger than {most} bytes")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise BodyError(415, "it is compressed; send it as it is")
        return length

    async def _read(
        self, request: web.Request, raw: bytearray, counter: JsonCounter, length: int
    ) -> None:
        """Read until `raw` has `length` bytes."""
        limits = self._limits
        while len(raw) < length:
            try:
                chunk = await request.content.readany()
            except (OSError, web.RequestPayloadError):
                raise GoneError from None
            if not chunk:
                raise BodyError(400, "it is shorter than its Content-Length")
            raw += chunk
            counter.add(chunk)
            if counter.values > limits.values or counter.quotes > 4 * limits.values + 2:
                raise BodyError(413, f"it has more than {limits.values} JSON values")
            if counter.deepest > limits.depth:
                raise BodyError(413, f"it nests deeper than {limits.depth}")


INTAKE = web.AppKey("intake", Intake)
"""The reader of all request bodies of an application."""


def make_app(limits: Limits | None = None) -> web.Application:
    """An application whose handlers read bodies by `request.app[INTAKE]`."""
    app = web.Application()
    app[INTAKE] = Intake(limits or Limits())
    return app


@asynccontextmanager
async def _connected(request: web.Request) -> AsyncIterator[None]:
    """Raise `GoneError` as soon as the caller disconnects.

    aiohttp reports that only to code that reads the body.
    """
    transport = request.transport
    line = transport.get_protocol() if transport is not None else None
    if not isinstance(line, Line):
        yield
        return
    try:
        async with asyncio.timeout(None) as scope:
            with line.when_lost(lambda: scope.reschedule(0.0)):
                yield
    except TimeoutError:
        raise GoneError from None


async def _enter(stack: AsyncExitStack, turns: Turns, keys: tuple[str, ...], weight: int) -> None:
    try:
        await stack.enter_async_context(turns.turn(*keys, weight=weight))
    except Busy:
        raise BusyError from None


def subject_of(raw: bytes | bytearray) -> str:
    """The user name in the beginning of an AdmissionReview; "" if it has none.

    An API server writes the user name before all parts whose JSON a user can choose. Other callers
    can claim any name, but that only gives them fewer turns.
    """
    found = _USER.search(raw)
    try:
        return str(json.loads(found[1])) if found else ""
    except ValueError:
        return ""


def _text_of(raw: bytearray) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        # UTF-16 is valid JSON too, but the limits count it wrongly.
        raise BodyError(400, "it is not UTF-8") from None


def cost_of(raw: bytes | bytearray, values: int) -> int:
    """The most memory of a body during parsing, in bytes, by the way Python stores text."""
    text = 1
    if not raw.isascii():
        # Python stores every character of a text with the width of its widest one.
        text = 4 if raw.translate(None, _UP_TO_3_BYTES) else 2
    escaped = 1
    if b"\\u" in raw:
        escaped = 4 if _SURROGATE.search(raw) else 2
    return len(raw) * (text + max(text, escaped)) + values * _BYTES_OF_VALUE
