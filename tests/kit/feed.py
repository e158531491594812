"""A raw server of a peer list, over plain sockets and threads, and a TCP relay that can turn deaf.

It runs in the environments of the agents too, so it keeps to the standard library.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TOKEN = "token-of-team-boss-0123456789"


def peer_list(generation: int, *names: str, orchestrator: str = "team/boss", **more: Any) -> bytes:
    """A peer file as a hub serves it; its digest follows from the names."""
    peers = [{"name": name, "namespace": "team", "url": "http://peer:8080"} for name in names]
    document = {
        "apiVersion": "hotpeers.dev/v1",
        "generation": generation,
        "digest": "sha256:" + hashlib.sha256(repr(names).encode()).hexdigest(),
        "orchestrator": orchestrator,
        "peers": peers,
        **more,
    }
    return json.dumps(document).encode() + b"\n"


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    connection: int
    time: float = field(default_factory=time.monotonic)


@dataclass
class Feed:
    """Serves `body` as the contract says, or what `reply` returns: the bytes of a whole answer.

    `reply` may also return None, for an answer by the contract, or raise to close the connection.
    """

    body: bytes = b""
    token: str = TOKEN
    reply: Callable[[Request], bytes | None] | None = None
    seen: list[Request] = field(default_factory=list)
    etags: bool = True
    holding: int = 0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/peers"
        self._context: ssl.SSLContext | None = None
        self._open: set[socket.socket] = set()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def secure(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.url = self.url.replace("http:", "https:")

    def put(self, body: bytes) -> None:
        with self._changed:
            self.body = body
            self._changed.notify_all()

    def wait_for_change(self, seconds: float) -> bool:
        """Whether the list changes, within `seconds`."""
        before = self.body
        with self._changed:
            return self._changed.wait_for(lambda: self.body != before, seconds)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(30)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            self._open.add(connection)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        plain = connection
        with contextlib.suppress(OSError, ValueError, ConnectionError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while (line := stream.readline()).strip():
                    fields = {}
                    while (head := stream.readline().strip()) != b"":
                        name, _, value = head.decode("latin-1").partition(":")
                        fields[name.lower()] = value.strip()
                    request = Request(line.decode("latin-1").strip(), fields, number)
                    self.seen.append(request)
                    answer = self.reply(request) if self.reply else None
                    connection.sendall(answer if answer is not None else self._answer(request))
                    if answer is not None and b"keep-alive" not in answer:
                        return
        plain.close()

    def _answer(self, request: Request) -> bytes:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return answer(401, b"who are you")
        known = request.headers.get("if-none-match", "")
        wait = float(request.headers.get("prefer", "wait=0").removeprefix("wait="))
        with self._changed:
            if known == self.etag and wait:
                self.holding += 1
                self._changed.wait_for(lambda: self._closed or known != self.etag, wait)
                self.holding -= 1
            etag = {"ETag": self.etag} if self.etags else {}
            if known == self.etag:
                return answer(304, None, **etag)
            return answer(200, self.body, **etag)

    @property
    def etag(self) -> str:
        return f'"{json.loads(self.body)["digest"]}"'


def answer(status: int, body: bytes | None, **headers: str) -> bytes:
    """The bytes of an answer."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        fields.setdefault("Content-Length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Words\r\n{lines}\r\n".encode("latin-1") + (body or b"")


class Relay:
    """Passes connections on to a port. `deafen` lets those that are open hang: nothing more passes."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._epoch = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def deafen(self) -> None:
        self._epoch += 1

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.deafen()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self._to))
            self._open += [here, there]
            for one, other in ((here, there), (there, here)):
                thread = threading.Thread(
                    target=self._pass, args=(one, other, self._epoch), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, epoch: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if epoch != self._epoch:
                    # Bytes of a deaf connection are taken, and lead nowhere.
                    continue
                sink.sendall(data)
            if epoch == self._epoch:
                sink.shutdown(socket.SHUT_WR)
