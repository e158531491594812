"""The sidecar restarts an agent for a new configuration: processes, sockets, files and the real probe.

What kubelet does is a stand-in (`kit.restarted_agent`); `tests/e2e/test_restart_when_idle.py` has the
real one.
"""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from hotpeers.hook import wait_for_bridge
from hotpeers.inject.restartprobe.program import is_known
from hotpeers.mcp.bridge_turns import BridgeTurns
from hotpeers.mcp.restarts.keeper import Place, Restarts
from kit.restarted_agent import RestartedAgent, restarted_agent
from kit.supervised import SECONDS, Supervised, free_port, supervised
from kit.waiting import until

pytestmark = pytest.mark.skipif(not is_known(), reason="no program for this machine")

LONG = 150.0


class Pod:
    """The folders of a pod."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.source, self.target, self.restart = (
            folder / name for name in ("from", "to", "restart")
        )
        for one in (self.source, self.target, self.restart):
            one.mkdir()
        self.write("first")

    @property
    def settings(self) -> list[str]:
        folders = [self.source, self.target, self.restart]
        names = ("--config-from", "--config-to", "--restart-dir")
        pairs = [word for pair in zip(names, map(str, folders), strict=True) for word in pair]
        return [*pairs, "--agent-ports", str(self.port)]

    def write(self, model: str) -> None:
        new = self.folder / "new"
        new.write_text(json.dumps({"model": model}))
        new.replace(self.source / "config.json")

    def state(self) -> tuple[str, str]:
        """State and message of the configuration, in the newest ack of the bridge."""
        acks = sorted(self.folder.glob("acks/ack-*.json"), key=lambda one: one.stat().st_mtime)
        config: dict[str, Any] = json.loads(acks[-1].read_text()).get("config") or {}
        return config.get("state", ""), config.get("message", "")

    def wait_for(self, state: str) -> None:
        until(state, lambda: self.state()[0] == state, LONG)


def model_of(agent: RestartedAgent) -> Any:
    try:
        return agent.turn()["model"]
    except (URLError, ConnectionError):
        return None


def ready(made: Supervised) -> None:
    wait_for_bridge(f"{made.url}/healthz", seconds=SECONDS)


def test_new_configuration_waits_for_the_turn_and_restarts_the_agent_once(tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    with supervised(tmp_path, *pod.settings) as made:
        ready(made)
        with (
            restarted_agent(pod.target, pod.restart, pod.port) as agent,
            ThreadPoolExecutor() as pool,
        ):
            pod.wait_for("live")
            turn = pool.submit(agent.turn, 20)
            pod.write("second")
            until("the turn to be seen", lambda: "turn is in flight" in pod.state()[1], LONG)
            killed = made.child()
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            until("another sidecar", lambda: made.child() not in (None, killed), SECONDS)
            assert turn.result(SECONDS)["model"] == "first"
            assert (agent.starts, agent.kills) == (1, 0)
            until("the restart", lambda: agent.starts > 1, LONG)
            until("the new configuration", lambda: model_of(agent) == "second", SECONDS)
            pod.wait_for("live")
            assert (agent.starts, agent.kills) == (2, 1)
            assert "ask_agent" in agent.turn()["http_tools"][0]["tools"]


def test_bad_configuration_restarts_the_agent_once_and_the_previous_one_returns(
    tmp_path: Path,
) -> None:
    """In this process, whose clock is ten times as fast: the agent has a minute to start."""
    pod = Pod(tmp_path)
    clocks = (lambda: 10 * time.monotonic(), time.time)
    place = Place(pod.source, pod.target, pod.restart, tmp_path)
    restarts = Restarts(place, [], [pod.port], clocks=clocks)
    turns = BridgeTurns(tmp_path, tmp_path / "peers.json", [pod.port], lambda: 0)

    def state() -> str:
        restarts.look(turns.turns())
        ack = restarts.ack()
        return ack.state if ack is not None else ""

    restarts.prepare()
    with restarted_agent(pod.target, pod.restart, pod.port) as agent:
        until("steady", lambda: state() and (tmp_path / "good-config.json").exists(), LONG)
        pod.write("bad")
        until("the restart", lambda: state() and agent.kills, LONG)
        until("the previous configuration", lambda: state() == "refused", LONG)
        until("an agent with it", lambda: state() and model_of(agent) == "first", LONG)
        starts, probes = agent.starts, agent.probes + 20
        until("more probes", lambda: state() == "refused" and agent.probes > probes, LONG)
        assert (agent.starts, agent.kills) == (starts, 1)


def test_agent_outlives_a_sidecar_that_is_killed(tmp_path: Path) -> None:
    """Here the supervisor ends too, as with the sidecar's container."""
    pod = Pod(tmp_path)
    command = ("run", "--peers-dir", str(tmp_path / "manifests"), "--listen", "none")
    made = Supervised(
        tmp_path, *command, "--peer-file", str(tmp_path / "peers.json"), *pod.settings
    )
    try:
        ready(made)
        with restarted_agent(pod.target, pod.restart, pod.port) as agent:
            pod.wait_for("live")
            pod.write("second")
            pod.wait_for("waiting")
            child = made.child()
            assert child is not None
            made.process.kill()
            os.kill(child, signal.SIGKILL)
            made.process.wait()
            probes = agent.probes + 40
            until("probes without a sidecar", lambda: agent.probes > probes, LONG)
            assert (agent.starts, agent.kills) == (1, 0)
            assert agent.turn()["model"] == "first"
    finally:
        made.process.kill()
        made.process.wait()
