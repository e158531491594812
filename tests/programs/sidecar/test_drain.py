"""A drain ends when the turns end, when its time is over, or when its last caller disconnects."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.base.errors import SettingsError
from hotpeers.base.settings import parse_seconds
from hotpeers.sidecar import drain
from hotpeers.sidecar.acks.turns import TurnsReader
from hotpeers.sidecar.drain import Drain, Outcome
from hotpeers.sidecar.settings import Settings
from hotpeers.sidecar.status.app import make_app
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.metrics import Metrics
from hotpeers_shim.contract.turns import Turns, dump_turns
from kit.waiting import until_async

# An agent writes its file at this pace; so many files take longer than a drain of an idle pod, or
# one bound to a second.
_AGENT_SECONDS = 0.05
_LONG = 30


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "LEAST_SECONDS", 0.4)
    monkeypatch.setattr(drain, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(drain, "GONE_SECONDS", 1.0)
    monkeypatch.setattr(drain, "ENDED_SECONDS", 0.6)
    monkeypatch.setattr(drain, "_LOOK_SECONDS", 0.02)


def say(
    folder: Path, pid: int, active: int, since: float | None, *, draining: bool = False
) -> None:
    """Write a turns file, at once, as the shim does."""
    temporary = folder / f"turns-{pid}.tmp"
    temporary.write_bytes(dump_turns(Turns(pid, active, since, draining)))
    temporary.replace(temporary.with_suffix(".json"))


class Agent:
    """A process with the shim: it reports its turns, and notices a drain by the file."""

    def __init__(self, folder: Path, pid: int = 1) -> None:
        self.folder, self.pid, self.active = folder, pid, 0
        self.answers = 0
        """How many of its files say that it knows of the drain."""
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while True:
            draining = (self.folder / "draining").exists()
            since = None if self.active else time.time()
            say(self.folder, self.pid, self.active, since, draining=draining)
            self.answers += draining
            await asyncio.sleep(_AGENT_SECONDS)

    async def die(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    running = Agent(tmp_path)
    yield running
    await running.die()


def make(folder: Path, seconds: float = 30) -> Drain:
    return Drain(folder, TurnsReader(folder), seconds)


async def test_drain_of_an_idle_pod_ends_with_an_unwritable_folder(
    tmp_path: Path, agent: Agent
) -> None:
    """The volume is full, or read-only: an idle pod must not wait for the whole bound."""
    missing = tmp_path / "missing"
    waiting = Drain(missing, TurnsReader(tmp_path), 30)
    ended = await asyncio.wait_for(waiting.wait(), 5)
    assert ended.outcome is Outcome.IDLE


async def test_drain_lasts_until_the_turns_end(tmp_path: Path, agent: Agent) -> None:
    agent.active = 2
    waiting = make(tmp_path)
    task = asyncio.create_task(waiting.wait())
    await until_async("thirty files, long past the least time", lambda: agent.answers >= _LONG)
    assert not task.done()
    assert (tmp_path / "draining").exists()
    assert waiting.activity().draining
    agent.active = 0
    ended = await asyncio.wait_for(task, 10)
    assert ended.outcome is Outcome.IDLE
    assert ended.seconds > drain.LEAST_SECONDS + drain.QUIET_SECONDS
    assert not (tmp_path / "draining").exists()
    assert not waiting.activity().draining


async def test_idle_agent_is_drained_for_the_least_time(tmp_path: Path, agent: Agent) -> None:
    ended = await asyncio.wait_for(make(tmp_path).wait(), 10)
    assert ended.outcome is Outcome.IDLE
    assert drain.LEAST_SECONDS <= ended.seconds < 5


async def test_pod_without_the_shim_is_drained_for_the_least_time(tmp_path: Path) -> None:
    ended = await asyncio.wait_for(make(tmp_path).wait(), 10)
    assert (ended.outcome, ended.active) == (Outcome.IDLE, 0)


async def test_bound_ends_a_drain_with_turns_in_flight(tmp_path: Path, agent: Agent) -> None:
    agent.active = 3
    ended = await asyncio.wait_for(make(tmp_path, 1).wait(), 10)
    assert (ended.outcome, ended.active) == (Outcome.BOUND, 3)
    assert ended.seconds >= 1


async def test_drain_of_no_seconds_answers_at_once(tmp_path: Path, agent: Agent) -> None:
    agent.active = 1
    assert (await make(tmp_path, 0).wait()).outcome is Outcome.OFF
    assert not (tmp_path / "draining").exists()


async def test_process_that_died_is_not_waited_for(tmp_path: Path, agent: Agent) -> None:
    other = Agent(tmp_path, pid=2)
    other.active = 1
    task = asyncio.create_task(make(tmp_path).wait())
    await until_async("the other agent to know of the drain", lambda: other.answers >= 2)
    await other.die()
    ended = await asyncio.wait_for(task, 10)
    assert ended.outcome is Outcome.IDLE
    assert ended.seconds >= drain.GONE_SECONDS


async def test_number_from_before_the_drain_is_not_believed(tmp_path: Path) -> None:
    say(tmp_path, 1, 0, 1.0)
    ended = await asyncio.wait_for(make(tmp_path).wait(), 10)
    # If it were believed, the drain would end after its least time.
    assert ended.seconds >= drain.GONE_SECONDS > drain.LEAST_SECONDS + drain.QUIET_SECONDS


async def test_each_waiting_request_has_its_own_bound(tmp_path: Path, agent: Agent) -> None:
    agent.active = 1
    draining = make(tmp_path, 1.5)
    early = asyncio.create_task(draining.wait())
    await until_async("fifteen files, half of the bound", lambda: agent.answers >= _LONG // 2)
    late = asyncio.create_task(draining.wait())
    assert (await asyncio.wait_for(early, 10)).outcome is Outcome.BOUND
    assert not late.done()
    assert (tmp_path / "draining").exists()
    assert (await asyncio.wait_for(late, 10)).seconds >= 1.5
    assert not (tmp_path / "draining").exists()


async def test_sign_of_a_sidecar_that_was_killed_is_taken_down(tmp_path: Path) -> None:
    (tmp_path / "draining").touch()
    make(tmp_path)
    assert not (tmp_path / "draining").exists()


async def test_end_is_that_of_the_processes(tmp_path: Path, agent: Agent) -> None:
    task = asyncio.create_task(make(tmp_path, 1).wait(until_ended=True))
    await until_async("thirty files, long past the bound", lambda: agent.answers >= _LONG)
    assert not task.done()
    await agent.die()
    assert (await asyncio.wait_for(task, 10)).outcome is Outcome.ENDED


async def test_drain_over_http(tmp_path: Path, agent: Agent) -> None:
    agent.active = 1
    draining, metrics = make(tmp_path), Metrics()

    def status() -> Status:
        return Status("directory /peers", "/run/peers.json", turns=draining.activity())

    app = make_app(status, metrics, frozenset(), draining)
    async with TestClient(TestServer(app)) as client:
        asked = asyncio.create_task(client.get("/drain"))
        await until_async(
            "draining with an active turn",
            lambda: draining.activity().draining and draining.activity().active,
        )
        document = await (await client.get("/status")).json()
        assert document["turns"] == {"active": 1, "idleSeconds": None, "draining": True}
        assert b"hotpeers_turns 1.0" in await (await client.get("/metrics")).read()
        agent.active = 0
        answer = await asked
        assert answer.status == 200
        assert (await answer.text()).startswith("idle after ")
        text = await (await client.get("/metrics")).read()
        assert b'hotpeers_drains_total{outcome="idle"} 1.0' in text
        # A name that a stranger's DNS may lead here is no name of this server.
        refused = await client.get("/drain", headers={"Host": "evil.example"})
        assert refused.status == 421
        assert (await client.post("/drain")).status == 405


async def test_disconnected_caller_ends_its_drain(tmp_path: Path, agent: Agent) -> None:
    agent.active = 1
    draining = make(tmp_path)
    app = make_app(lambda: Status("", ""), Metrics(), frozenset(), draining)
    async with TestClient(TestServer(app)) as client:
        asked = asyncio.create_task(client.get("/drain"))
        await until_async("the drain to begin", lambda: draining.activity().draining)
        asked.cancel()
        await until_async("the drain to end", lambda: not draining.activity().draining)
    assert not (tmp_path / "draining").exists()


async def test_sidecar_without_a_drain_has_no_such_path() -> None:
    app = make_app(lambda: Status("", ""), Metrics())
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/drain")).status == 404


@pytest.mark.parametrize("text", ["-1", "1.5", "5m", "86401", "9" * 30, "٣"])
def test_bad_number_of_seconds_is_named(text: str) -> None:
    assert parse_seconds(text) is None
    with pytest.raises(SettingsError, match=r"--drain-seconds \(HOTPEERS_DRAIN_SECONDS\)"):
        parse(text)


@pytest.mark.parametrize(("text", "seconds"), [("", 0), ("0", 0), ("300", 300), ("86400", 86400)])
def test_number_of_seconds_is_read(text: str, seconds: int) -> None:
    assert parse(text).drain_seconds == seconds


def parse(seconds: str) -> Settings:
    raw = {"source": "kubernetes", "peers_dir": "", "peer_file": "/run/peers.json", "ack_dir": ""}
    raw |= {"selector": "", "namespaces": "", "orchestrator": "", "listen": "none"}
    return Settings.parse(**raw, log_format="text", log_level="info", drain_seconds=seconds)
