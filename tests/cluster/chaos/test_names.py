"""A name server that does not answer: everything that needs no lookup keeps working."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.chaos.inside import run_inside, settings_of
from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import LABELS
from kit.apiserver.client import Object
from kit.apiserver.resources import agent, set_ready
from kit.apiserver.server import Cluster

AGENTS = [f"a{number}" for number in range(40)]


@pytest.fixture
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every name takes until the end of the test; yields those that were asked for."""
    asked: list[str] = []
    answers = threading.Event()
    ask = socket.getaddrinfo

    def hang(host: Any, *rest: Any, **how: Any) -> Any:
        if host == "127.0.0.1":
            return ask(host, *rest, **how)
        asked.append(host)
        answers.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked
    answers.set()


async def test_silent_name_server_does_not_hold_up_the_peer_file(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    make_peer: Callable[..., Object],
    tmp_path: Path,
    silent_name_server: list[str],
    tell: Callable[[str], None],
) -> None:
    """In this process, because only here names can be made to hang; the cards of Agents have some."""
    for name in AGENTS:
        manifest = agent(namespace, name, labels=LABELS, description="d")
        cluster.api.create(manifest)
        set_ready(cluster.api, manifest)
    cluster.api.create(make_peer("p0"))
    settings = settings_of(cluster, namespace, tmp_path)

    def scenario() -> None:
        with Observer(settings.peer_file) as observer:
            observer.until_names([*AGENTS, "p0"])
            observer.require(*AGENTS, "p0")
            observer.until("names to hang", lambda: len(silent_name_server) >= 10)
            cluster.api.patch(make_peer("p0"), {"spec": {"description": "with no name server"}})
            took = observer.until_told("p0", "with no name server", 30)
        tell(
            f"{len(silent_name_server)} names hang: followed in {took:.2f} s; {observer.figures()}"
        )

    await run_inside(settings, scenario)
