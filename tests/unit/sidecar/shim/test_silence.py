"""An agent that serves, and has not loaded the shim."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hotpeers.base.errors import SettingsError
from hotpeers.base.reasons import Word
from hotpeers.sidecar import sidecar as module
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.eligibility import Rules
from hotpeers.sidecar.settings import Settings
from hotpeers.sidecar.shim.silence import Silence
from hotpeers.sidecar.sidecar import Sidecar
from hotpeers.sidecar.sources.directory import DirectorySource
from hotpeers.sidecar.status.metrics import Metrics
from hotpeers_shim.contract import Ack, AckState, dump_ack
from kit.apiserver.processes import free_ports
from kit.waiting import until_async


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def agent(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A socket that can listen on a port, like the agent's program."""
    host = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}[request.param]
    with socket.socket(request.param) as made:
        made.bind((host, 0))
        yield made


def port(agent: socket.socket) -> int:
    return int(agent.getsockname()[1])


def reason(silence: Silence) -> Word | None:
    problem = silence.problem
    return problem.reason if problem is not None else None


def test_serving_agent_without_acks_is_a_problem(agent: socket.socket) -> None:
    silence = Silence(frozenset({port(agent)}), patience=0)
    # Bound is not served: it is being started.
    assert not silence.changes(heard=False)
    agent.listen()
    assert silence.changes(heard=False)
    assert reason(silence) is SidecarReason.SHIM_NOT_LOADED
    assert not silence.changes(heard=False)
    assert silence.changes(heard=True)
    assert silence.problem is None


def test_agent_is_given_time(agent: socket.socket) -> None:
    agent.listen()
    silence = Silence(frozenset({port(agent)}), patience=3600)
    assert not silence.changes(heard=False)


def test_agent_that_is_down_is_not_a_problem(agent: socket.socket) -> None:
    agent.listen()
    silence = Silence(frozenset({port(agent)}), patience=0)
    assert silence.changes(heard=False)
    agent.close()
    assert silence.changes(heard=False)
    assert silence.problem is None


def test_agent_that_served_and_lost_the_shim_is_a_problem(agent: socket.socket) -> None:
    agent.listen()
    silence = Silence(frozenset({port(agent)}), patience=0)
    assert not silence.changes(heard=True)
    assert silence.changes(heard=False)


def test_silence_without_known_ports_starts_with_the_sidecar() -> None:
    assert not Silence(frozenset(), expected=True).changes(heard=False)
    assert Silence(frozenset(), expected=True, patience=0).changes(heard=False)
    # Outside of a pod there may be no agent.
    assert not Silence(frozenset(), patience=0).changes(heard=False)


@pytest.mark.parametrize(
    "table", [b"", b"\xff\n\xff 0A", b"sl\n 0: x:y z 0A\n 1: 7F:1F90", b"\0" * 9]
)
def test_malformed_tcp_table_means_that_the_agent_does_not_serve(
    tmp_path: Path, table: bytes
) -> None:
    (tmp_path / "tcp").write_bytes(table)
    silence = Silence(frozenset({8080}), patience=0, tables=tmp_path)
    assert not silence.changes(heard=False)


@pytest.mark.parametrize("text", ["0", "65536", "a", "80;81", "-1", "٣"])
def test_invalid_port_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HOTPEERS_AGENT_PORTS"):
        settings(tmp_path, text)


def settings(folder: Path, ports: str) -> Settings:
    peers = folder / "peers"
    peers.mkdir(exist_ok=True)
    raw = {
        "source": "directory",
        "peers_dir": str(peers),
        "peer_file": str(folder / "run" / "peers.json"),
        "ack_dir": "",
        "selector": "",
        "namespaces": "",
        "orchestrator": "team/gopher",
        "agent_ports": ports,
        "listen": f"127.0.0.1:{free_ports(1)[0]}",
        "log_format": "text",
        "log_level": "info",
    }
    return Settings.parse(**raw)


class Told:
    """Replaces the writer of Events: records the reports."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def without_shim(self, problem: object) -> None:
        self.messages.append(str(problem))

    def __getattr__(self, _: str) -> object:
        return lambda *_: None

    async def run(self) -> None:
        await asyncio.Event().wait()


async def test_sidecar_reports_the_missing_shim_until_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: socket.socket
) -> None:
    monkeypatch.setattr(module, "Silence", partial(Silence, patience=0))
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    agent.listen()
    asked, metrics, told = settings(tmp_path, str(port(agent))), Metrics(), Told()
    source = DirectorySource(tmp_path / "peers")
    made = Sidecar(
        asked,
        source,
        metrics,
        rules=Rules(asked.selector),
        origin="d",
        feedback=told,  # type: ignore[arg-type]
    )

    def count() -> float:
        metrics.show(made.status())
        labels = {"reason": "ShimNotLoaded"}
        return metrics.registry.get_sample_value("hotpeers_problems", labels) or 0

    task = asyncio.create_task(made.run())
    try:
        await until_async("the problem ShimNotLoaded", count)
        (message,) = told.messages
        assert "no Python program" in message
        asked.ack_dir.mkdir(exist_ok=True)
        ack = Ack(pid=os.getpid(), state=AckState.ACTIVE, generation=1)
        (asked.ack_dir / f"ack-{os.getpid()}.json").write_bytes(dump_ack(ack))
        await until_async("the problem ShimNotLoaded to be solved", lambda: not count())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
