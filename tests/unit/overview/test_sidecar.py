"""The status of one sidecar over HTTP: odd servers give one line, never a traceback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from hotpeers.base.errors import StatusError
from hotpeers.overview import sidecar
from hotpeers.overview.sidecar import fetch_status

Serve = Callable[[bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves one answer, byte for byte, and keeps the connection open. Returns the URL."""
    ended = threading.Event()
    with ExitStack() as stack:

        def begin(answer: bytes) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)
                    ended.wait(5)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        stack.callback(ended.set)
        yield begin
        ended.set()


def test_server_of_another_protocol(serve: Serve) -> None:
    with pytest.raises(StatusError, match=r"SSH-2\.0-x; check that --url is the address"):
        fetch_status(serve(b"SSH-2.0-x\r\n"))


def test_error_whose_text_never_comes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "_SECONDS", 0.2)
    url = serve(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\n")
    with pytest.raises(StatusError, match="status 503: and its text cannot be read"):
        fetch_status(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://a host", "http://[::1"])
def test_url_that_is_none(url: str) -> None:
    with pytest.raises(StatusError, match="check that --url is the address of a sidecar"):
        fetch_status(url)
