"""The status of one sidecar over HTTP: odd servers give one line, never a traceback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from hotpeers.base.errors import StatusError
from hotpeers.overview import sidecar
from hotpeers.overview.sidecar import fetch_status, orchestrator_of
from hotpeers.overview.summary import State, summarize
from hotpeers.sidecar.status.report import live_report
from hotpeers_shim.contract import Ack, AckState, CallFailure
from kit.orchestrators import NOW
from kit.reporting import ack, status

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


@pytest.mark.parametrize(
    "acks",
    [
        (),
        (ack(7),),
        (ack(6),),
        (ack(7), ack(6, state=AckState.REFUSED, reason="NotJson", message="m")),
        # No list was ever live in this process.
        (ack(None, state=AckState.ERROR),),
    ],
)
def test_sidecar_and_cluster_say_the_same_of_its_agent(acks: tuple[Ack, ...]) -> None:
    one = status(*acks)
    live = orchestrator_of(one.document()).status.condition("Live")
    assert live is not None
    assert (live.status, live.reason) == live_report(one, 0.0)[:2]


def test_calls_of_a_sidecar_name_the_peer_and_its_runtime() -> None:
    failure = CallFailure("ns__NS__a", "PeerUnreachable", "cut", 2, 0.0)
    found = orchestrator_of(
        status(ack(7, failures=(failure,), runtime={"google-adk": "2.7.0"})).document()
    )
    assert found.status.runtime == "google-adk 2.7.0"
    assert [one.peer for one in found.status.replicas[0].failing] == ["ns/a"]


def test_document_of_odd_shape_is_shown_as_far_as_it_goes() -> None:
    odd = {"acks": [1, {"failures": [3, None]}], "peers": ["x"], "refused": [{}, 4], "problems": {}}
    assert summarize(orchestrator_of(odd), NOW).state is not State.OK
