"""Attackers of the webhook port, as a program; and callers that are answered meanwhile, measured.

    python -m kit.controller.flooding KIND PORT SOURCE COUNT SECONDS

Everything is on loopback, from an address SOURCE there, and ends after SECONDS.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import resource
import ssl
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
HELLO = bytes.fromhex("160301020001000001fc0303") + bytes(32)
"""The beginning of a TLS handshake."""
HEAD = b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
_SMALL = 16 * 1024


def body(kind: str, size: int = 8 * MIB - 1024) -> bytes:
    """A complete request of an attacker, of about `size` bytes."""
    user = {"username": "system:serviceaccount:team:lead", "uid": "1"}
    start = json.dumps({"request": {"uid": "1", "userInfo": user, "object": {"a": 0}}})[:-4]
    filler = {
        "objects": "[" + "{}," * (size // 3) + "0]",
        "text": '"' + "x, " * (size // 3) + '"',
        "escapes": '"' + "\\n" * (size // 2) + '"',
        "wide": '"\U0001f600' + "x" * (size - 6) + '"',
        "deep": "[" * (size // 2) + "]" * (size // 2),
    }[kind]
    return f"{start}{filler}}}}}}}".encode()


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Attack:
    """Connections from one address to a port, each of which is opened again when it is closed."""

    def __init__(self, port: int, source: str, count: int, seconds: float) -> None:
        self._port, self._source, self._count = port, source, count
        self._end = time.monotonic() + seconds
        self._context = _context()

    async def run(self, one: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the same with all connections, until the time is over."""

        async def again() -> None:
            while time.monotonic() < self._end:
                with suppress(OSError, asyncio.IncompleteReadError):
                    await one()
                await asyncio.sleep(0.05)

        with suppress(TimeoutError):
            async with asyncio.timeout(self._end - time.monotonic()):
                await asyncio.gather(*(again() for _ in range(self._count)))

    async def _open(self, *, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1",
            self._port,
            ssl=self._context if tls else None,
            local_addr=(self._source, 0),
            limit=_SMALL,
        )

    async def _send(self, first: bytes, rest: Iterator[bytes] | None, *, tls: bool) -> None:
        reader, writer = await self._open(tls=tls)
        try:
            writer.write(first)
            for chunk in rest or ():
                if writer.is_closing():
                    return
                writer.write(chunk)
                await writer.drain()
            await reader.read()
        finally:
            writer.transport.abort()

    async def silent(self) -> None:
        """Say nothing."""
        await self._send(b"", None, tls=False)

    async def hello(self) -> None:
        """Begin a handshake, and leave it."""
        await self._send(HELLO, None, tls=False)

    async def head(self) -> None:
        """Begin a request, and leave it."""
        await self._send(HEAD % 1, None, tls=True)

    async def handshake(self) -> None:
        """Do one TLS handshake and abort the connection."""
        _, writer = await self._open(tls=True)
        writer.transport.abort()

    async def _body(self, raw: bytes) -> None:
        chunks = (raw[start : start + _SMALL] for start in range(0, len(raw), _SMALL))
        await self._send(HEAD % len(raw) + b"\r\n", chunks, tls=True)


for _kind in ("objects", "text", "escapes", "wide", "deep"):

    async def _send_body(self: Attack, kind: str = _kind) -> None:
        if not hasattr(self, "_raw"):
            self._raw = body(kind)  # type: ignore[attr-defined]
        await self._body(self._raw)  # type: ignore[attr-defined]

    setattr(Attack, _kind, _send_body)


@contextmanager
def attacking(kind: str, port: int, source: str, count: int, seconds: float) -> Iterator[None]:
    """An attacker in a process of its own while the context lasts."""
    import subprocess

    folder = Path(__file__).parents[2]
    command = [sys.executable, "-m", "kit.controller.flooding", kind, str(port), source]
    # asyncio logs errors when servers cut connections.
    process = subprocess.Popen(
        [*command, str(count), str(seconds)], cwd=folder, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@dataclass
class Calls:
    """Results of legitimate calls: seconds of the answered ones, and failures."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """The time within which this share of the answered ones was."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def __str__(self) -> str:
        p50, p99, most = (1000 * self.quantile(share) for share in (0.5, 0.99, 1.0))
        return (
            f"{len(self.seconds)} answered, {len(self.failures)} failed, "
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {most:.0f} ms {sorted(set(self.failures))[:3]}"
        )


def call(
    port: int,
    raw: bytes,
    context: ssl.SSLContext,
    calls: Calls,
    stop: Callable[[], bool],
    *,
    path: str = "/inject",
    fresh: bool,
    source: str = "127.0.0.1",
    timeout: float = 2.0,
    pause: float = 0.05,
) -> None:
    """Call until stopped: over one connection, or over a new one each time."""
    connection: http.client.HTTPSConnection | None = None
    while not stop():
        begun = time.perf_counter()
        try:
            if connection is None:
                connection = http.client.HTTPSConnection(
                    "127.0.0.1",
                    port,
                    context=context,
                    timeout=timeout,
                    source_address=(source, 0),
                )
            connection.request("POST", path, raw)
            with connection.getresponse() as answer:
                content = answer.read()
            taken = time.perf_counter() - begun
            if answer.status != 200 or taken > timeout:
                calls.failures.append(f"{answer.status} {content[:80]!r} after {taken:.1f} s")
            else:
                calls.seconds.append(taken)
        except (OSError, http.client.HTTPException) as error:
            calls.failures.append(f"{type(error).__name__}: {error}"[:80])
            if connection is not None:
                connection.close()
            connection = None
        if fresh and connection is not None:
            connection.close()
            connection = None
        time.sleep(pause)
    if connection is not None:
        connection.close()


@contextmanager
def calling(
    port: int, raw: bytes, authority: Path, *, source: str = "127.0.0.1", path: str = "/inject"
) -> Iterator[dict[str, Calls]]:
    """Legitimate calls while the context lasts, over one connection and over new ones."""
    context = ssl.create_default_context(cafile=str(authority))
    stop = threading.Event()
    found = {"kept": Calls(), "new": Calls()}
    threads = [
        threading.Thread(
            target=call,
            args=(port, raw, context, calls, stop.is_set),
            kwargs={"fresh": name == "new", "source": source, "path": path},
        )
        for name, calls in found.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def memory_of(pid: int) -> dict[str, int]:
    """MiB that a process takes now (VmRSS) and took at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM")}


def raise_file_limit() -> None:
    """As many file descriptors as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(kind: str, port: str, source: str, count: str, seconds: str) -> None:
    raise_file_limit()
    attack = Attack(int(port), source, int(count), float(seconds))
    asyncio.run(attack.run(getattr(attack, kind)))


if __name__ == "__main__":
    main(*sys.argv[1:])
