"""Restarts of an agent, with a clock, tables of sockets and a probe of this test's own."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotpeers.inject.restartprobe.program import PROGRAM, SIGN
from hotpeers.mcp.agent_config import PEER_TOOLS, Server
from hotpeers.mcp.restarts.decision import (
    BACKOFF_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
    UNSEEN_SECONDS,
)
from hotpeers.mcp.restarts.keeper import Place, Restarts
from hotpeers.mcp.restarts.memory import Memory, MemoryFile
from hotpeers.mcp.restarts.watch import GAP_SECONDS, STEADY_SECONDS
from hotpeers_shim.contract import ConfigState
from hotpeers_shim.contract.turns import Turns
from hotpeers_shim.hot.content import Content
from hotpeers_shim.hot.hashing import config_hash

PORT = 8080
BRIDGE = Server("http://127.0.0.1:8091/mcp", PEER_TOOLS, 45.0)


class Pod:
    """A pod with one agent. `look` lets time pass and the sidecar look.

    `now` is the date in seconds since the epoch, and the monotonic clock is `behind` it.
    """

    def __init__(self, folder: Path) -> None:
        self.now = 1_000_000.0
        self.behind = 990_000.0
        self.table = folder / "tcp"
        self.idle_since: float | None = self.now
        folders = [folder / name for name in ("from", "to", "restart", "memory", "pod")]
        for one in folders:
            one.mkdir()
        self.place = Place(*folders)
        self.socket = 0
        self.listen(up=False)
        self.write(1)
        (self.place.source / "agent-card.json").write_text("{}")
        (folder / "pod" / "config-hash").write_text(self.hash())
        self.restarts = self.sidecar()
        self.listen()

    def sidecar(self) -> Restarts:
        clocks = (lambda: self.now - self.behind, lambda: self.now)
        made = Restarts(self.place, [BRIDGE], [PORT], tables=[self.table], clocks=clocks)
        made.prepare()
        return made

    def write(self, model: int | str) -> None:
        text = model if isinstance(model, str) else json.dumps({"model": model})
        (self.place.source / "config.json").write_text(text)

    def hash(self, secrets: bytes = b"") -> str:
        config = (self.place.source / "config.json").read_bytes()
        return config_hash(Content(config, b"{}"), secrets)

    def hold(self, secrets: bytes = b"", since: str | None = None) -> None:
        held: dict[str, Any] = {"hash": self.hash(secrets), "secrets": secrets.hex()}
        if since:
            held["since"] = since
        assert self.place.pod_info is not None
        (self.place.pod_info / "held-config").write_text(json.dumps(held))

    def listen(self, up: bool = True) -> None:
        self.socket += up
        line = f" 0: 0:{PORT:04X} 0:0 0A 0:0 0:0 0 0 0 {self.socket} 1\n" if up else ""
        self.table.write_text("head\n" + line)

    def look(self, seconds: float = 0.5, until: Callable[[], bool] | None = None) -> None:
        end, pause = self.now + seconds, 0.5 if seconds <= 100 else GAP_SECONDS
        while self.now < end and not (until is not None and until()):
            self.now += pause
            active = 0 if self.idle_since is not None else 1
            self.restarts.look(Turns(7, active, self.idle_since))
        assert until is None or until()

    @property
    def asked(self) -> bool:
        return (self.place.restart / SIGN).exists()

    @property
    def model(self) -> Any:
        return json.loads((self.place.target / "config.json").read_text())["model"]

    def state(self) -> tuple[ConfigState, str]:
        ack = self.restarts.ack()
        assert ack is not None
        return ack.state, ack.message

    def probe(self) -> bool:
        sign = self.place.restart / SIGN
        there = sign.exists()
        sign.unlink(missing_ok=True)
        return there

    def change(self, model: int | str) -> None:
        """New files, until a restart is asked for and kubelet's probe has failed."""
        self.write(model)
        self.look(60, lambda: self.asked)
        assert self.probe()


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    made = Pod(tmp_path)
    made.look(STEADY_SECONDS + 5)
    assert made.state() == (ConfigState.LIVE, "")
    return made


def test_new_configuration_is_live_after_one_restart(pod: Pod) -> None:
    assert (pod.place.restart / PROGRAM).exists()
    pod.write(2)
    pod.look()
    assert pod.model == 2
    assert pod.state()[0] is ConfigState.WAITING
    pod.change(2)
    pod.look(20)  # kubelet drains the agent
    assert not pod.asked
    pod.listen()
    pod.look(2)
    assert pod.state()[0] is ConfigState.LIVE
    pod.look(2000)
    assert not pod.asked


def test_agent_that_is_never_idle_is_never_restarted(pod: Pod) -> None:
    pod.idle_since = None
    pod.write(2)
    pod.look(900)
    assert not pod.asked
    state, message = pod.state()
    assert state is ConfigState.WAITING
    assert message.endswith("a turn is in flight.")
    ack = pod.restarts.ack()
    pod.look(100)
    assert pod.restarts.ack() == ack, "its time is that of the state"


def test_turn_that_begins_takes_the_request_back(pod: Pod) -> None:
    pod.write(2)
    pod.look(60, lambda: pod.asked)
    pod.idle_since = None
    pod.look()
    assert not pod.asked
    pod.idle_since = pod.now
    pod.look(60, lambda: pod.asked)


def test_bad_configuration_causes_one_restart_and_the_previous_one_returns(pod: Pod) -> None:
    pod.change(2)
    pod.listen(up=False)
    pod.look(START_SECONDS + 1)
    assert pod.model == 1
    assert pod.state()[0] is ConfigState.REFUSED
    pod.listen()
    pod.look(3 * BACKOFF_SECONDS)
    state, message = pod.state()
    assert state is ConfigState.REFUSED
    assert message.endswith("did not start with it within 60 seconds.")
    assert not pod.asked
    pod.change(3)
    pod.listen()
    pod.look(2)
    assert (pod.model, pod.state()[0]) == (3, ConfigState.LIVE)


def test_agent_that_crashes_again_and_again_gets_its_previous_configuration(pod: Pod) -> None:
    pod.change(2)
    for _ in range(30):
        pod.listen()
        pod.look(1)
        pod.listen(up=False)
        pod.look(4)
    assert pod.model == 1
    assert not pod.asked


def test_malformed_configuration_does_not_reach_the_agent(pod: Pod) -> None:
    pod.write("{broken")
    pod.look(100)
    assert (pod.model, pod.asked) == (1, False)
    state, message = pod.state()
    assert state is ConfigState.REFUSED
    assert "file config.json is not valid" in message
    pod.write(1)
    pod.look(2)
    assert pod.state()[0] is ConfigState.LIVE


def test_second_change_soon_after_a_restart_is_left_to_a_rollout(pod: Pod) -> None:
    pod.change(2)
    pod.listen()
    pod.look(STEADY_SECONDS)
    pod.write(3)
    pod.look(100)
    assert not pod.asked
    state, message = pod.state()
    assert state is ConfigState.RESTART
    assert "kubelet would delay its next start" in message
    pod.look(BACKOFF_SECONDS, lambda: pod.asked)


def test_restarted_sidecar_asks_for_nothing_twice(pod: Pod) -> None:
    pod.change(2)
    pod.restarts = pod.sidecar()
    pod.look(STOP_SECONDS / 2)
    assert not pod.asked
    pod.listen()
    pod.restarts = pod.sidecar()
    pod.look(STEADY_SECONDS)
    assert pod.state()[0] is ConfigState.LIVE
    pod.restarts = pod.sidecar()
    pod.look(2000)
    assert not pod.asked


def test_restarted_sidecar_knows_the_previous_files(pod: Pod) -> None:
    pod.change(2)
    pod.listen(up=False)
    pod.restarts = pod.sidecar()
    pod.look(START_SECONDS + 1)
    assert pod.model == 1


def test_kubelet_without_the_probe_is_reported(pod: Pod) -> None:
    pod.write(2)
    pod.look(60, lambda: pod.asked)
    pod.look(UNSEEN_SECONDS + 1)
    assert not pod.asked
    state, message = pod.state()
    assert state is ConfigState.RESTART
    assert message.endswith("kubelet does not run the container's liveness probe.")
    pod.look(2 * STOP_SECONDS)
    assert not pod.asked


def test_container_that_kubelet_does_not_restart_is_reported(pod: Pod) -> None:
    pod.change(2)
    pod.look(STOP_SECONDS + 1)
    state, message = pod.state()
    assert state is ConfigState.RESTART
    assert message.endswith("kubelet did not restart the container.")
    pod.look(STOP_SECONDS)
    assert not pod.asked


def test_crash_of_the_agent_makes_a_restart_unnecessary(pod: Pod) -> None:
    pod.write(2)
    pod.look(60, lambda: pod.asked)
    pod.listen()
    pod.look()
    assert not pod.asked
    assert pod.state()[0] is ConfigState.LIVE


def test_held_hash_is_proven_after_the_restart(pod: Pod) -> None:
    pod.hold()
    pod.look()
    ack = pod.restarts.ack()
    assert ack is not None
    assert ack.hash == pod.hash(), "the pod's own hash proves it"
    pod.write(2)
    pod.hold(since="1970-01-12T13:47:00+00:00")  # about the time of this test's clock
    pod.now = 1_000_020.0
    pod.look()
    ack = pod.restarts.ack()
    assert ack is not None
    assert (ack.state, ack.hash, ack.seen) == (ConfigState.WAITING, "", pod.hash())
    pod.change(2)
    pod.listen()
    pod.look(2)
    ack = pod.restarts.ack()
    assert ack is not None
    assert (ack.state, ack.hash) == (ConfigState.LIVE, pod.hash())


def test_rotated_secret_restarts_the_agent_once(pod: Pod) -> None:
    pod.hold()
    pod.look()
    pod.hold(b"new", since="1970-01-12T13:46:50+00:00")
    pod.look(60, lambda: pod.asked)
    assert pod.probe()
    pod.listen()
    pod.look(2)
    ack = pod.restarts.ack()
    assert ack is not None
    assert (ack.state, ack.hash) == (ConfigState.LIVE, pod.hash(b"new"))


def test_changed_skills_need_a_new_pod(pod: Pod, tmp_path: Path) -> None:
    skills = tmp_path / "skills.json"
    skills.write_text("[]")
    pod.place = replace(pod.place, skills=skills)
    (pod.place.memory / "restarts.json").unlink()
    (pod.place.target / "config.json").unlink()
    pod.listen(up=False)
    pod.restarts = pod.sidecar()
    pod.listen()
    pod.look(STEADY_SECONDS + 5)
    assert pod.state()[0] is ConfigState.LIVE
    skills.write_text('["another"]')
    pod.look(100)
    ack = pod.restarts.ack()
    assert ack is not None
    assert (ack.state, ack.restart, pod.asked) == (ConfigState.RESTART, ("skills",), False)


def test_deleted_secret_changes_nothing(pod: Pod) -> None:
    (pod.place.source / "config.json").unlink()
    pod.look(100)
    assert (pod.model, pod.asked) == (1, False)
    assert pod.state()[0] is ConfigState.LIVE


DAMAGED = ["", "{", "[]", '{"process": 1}', '{"process": {"a": 1}}']


@pytest.mark.parametrize("text", DAMAGED)
def test_lost_state_costs_one_restart_and_claims_nothing(pod: Pod, text: str) -> None:
    (pod.place.memory / "restarts.json").write_text(text)
    pod.restarts = pod.sidecar()
    pod.look()
    assert pod.state()[0] is ConfigState.WAITING, "the process may run an older version"
    pod.change(1)
    pod.listen()
    pod.look(2)
    assert pod.state()[0] is ConfigState.LIVE
    pod.look(2000)
    assert not pod.asked


@pytest.mark.parametrize(
    ("name", "value"),
    [("began", "x"), ("tried", 1), ("process", {"sockets": 1}), ("request", []), ("bad", None)],
)
def test_state_with_a_value_of_another_type_is_lost(pod: Pod, name: str, value: Any) -> None:
    file = pod.place.memory / "restarts.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    assert MemoryFile(pod.place.memory).load() == Memory()


def test_state_that_cannot_be_written_does_not_stop_the_report(
    pod: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(pod.place.memory)
    pod.write(2)
    pod.look(60)
    assert pod.state()[0] is ConfigState.WAITING
    assert not pod.asked, "after a crash, the sidecar could not know that it has asked"
    assert caplog.text.count("No such file") == 1
    pod.place.memory.mkdir()
    pod.look(60, lambda: pod.asked)


def test_any_fault_is_logged_and_outlived(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RecursionError("too deep")

    with monkeypatch.context() as patch:
        patch.setattr("hotpeers.mcp.restarts.keeper.decide", broken)
        pod.write(2)
        pod.look(5)
    assert caplog.text.count("RecursionError: too deep") == 1
    pod.look(60, lambda: pod.asked)


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_change_of_the_date_decides_nothing(pod: Pod, seconds: float) -> None:
    def jump() -> None:
        pod.now += seconds
        pod.behind += seconds

    pod.write(2)
    pod.idle_since = pod.now
    pod.look(1)
    jump()
    pod.look(1)
    assert not pod.asked, "the last turn has just ended"
    pod.look(10, lambda: pod.asked)
    jump()
    pod.look(UNSEEN_SECONDS - 2)
    assert pod.asked, "kubelet has some more seconds"
    assert pod.probe()
    pod.listen(up=False)
    pod.look(2)
    jump()
    pod.look(2)
    assert pod.model == 2, "the agent has some more seconds to start"
    pod.listen()
    pod.look(2)
    jump()
    pod.look(2)
    assert pod.state()[0] is ConfigState.LIVE
    pod.write(3)
    pod.look(BACKOFF_SECONDS / 2)
    assert not pod.asked
    pod.look(BACKOFF_SECONDS, lambda: pod.asked)


def test_sidecar_that_was_stopped_does_not_blame_the_agent(pod: Pod) -> None:
    pod.change(2)
    pod.listen(up=False)
    pod.look(2)
    pod.now += 10 * START_SECONDS
    pod.listen()
    pod.look(STEADY_SECONDS + 1)
    assert (pod.model, pod.state()[0]) == (2, ConfigState.LIVE)


def test_request_is_renewed_until_a_turn_begins(pod: Pod) -> None:
    pod.write(2)
    pod.look(60, lambda: pod.asked)
    sign = pod.place.restart / SIGN
    for _ in range(2):
        os.utime(sign, (0, 0))
        pod.look()
        assert sign.stat().st_mtime > 0
    assert pod.probe()
    pod.look()
    assert not pod.asked


def test_files_that_change_back_while_kubelet_drains_can_be_asked_for_later(pod: Pod) -> None:
    pod.change(2)
    pod.write(1)
    pod.look(20)
    pod.listen()
    pod.look(2)
    assert (pod.model, pod.state()[0]) == (1, ConfigState.LIVE)
    pod.look(BACKOFF_SECONDS)
    pod.change(2)
    pod.listen()
    pod.look(2)
    assert (pod.model, pod.state()[0]) == (2, ConfigState.LIVE)


def test_files_that_were_live_after_a_restart_can_be_asked_for_again(pod: Pod) -> None:
    pod.change(2)
    pod.listen()
    pod.look(2)
    pod.write(3)
    pod.look()
    pod.write(2)
    pod.listen()  # it crashed, and has started with the files of before
    pod.look(2)
    assert pod.state()[0] is ConfigState.RESTART
    pod.look(BACKOFF_SECONDS + 10, lambda: pod.asked)


def test_files_that_change_twice_cause_one_restart_with_the_last(pod: Pod) -> None:
    pod.write(2)
    pod.look(60, lambda: pod.asked)
    pod.write(3)
    pod.look()
    assert not pod.asked
    pod.look(4)
    assert not pod.asked
    pod.change(3)
    pod.write(4)
    pod.look(2)
    pod.listen()
    pod.look(2)
    assert (pod.model, pod.state()[0]) == (4, ConfigState.LIVE)
    pod.look(2000)
    assert not pod.asked


def test_missing_program_is_installed_again(pod: Pod) -> None:
    program = pod.place.restart / PROGRAM
    program.unlink()
    pod.look()
    assert program.exists()


def test_program_that_cannot_be_installed_leaves_the_restart_to_a_rollout(pod: Pod) -> None:
    program = pod.place.restart / PROGRAM
    program.unlink()
    program.mkdir()
    pod.write(2)
    pod.look(60)
    assert not pod.asked
    state, message = pod.state()
    assert state is ConfigState.RESTART
    assert "the program of the liveness probe is missing" in message.lower()
    program.rmdir()
    pod.look(2, lambda: pod.asked)


def test_link_that_the_agent_made_is_not_followed(pod: Pod, tmp_path: Path) -> None:
    (pod.place.restart / SIGN).symlink_to(tmp_path / "outside")
    pod.change(2)
    assert not (tmp_path / "outside").exists()
