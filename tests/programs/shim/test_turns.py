"""Turns in flight are counted: by a real server in a process of its own, and by a counter in this one."""

import asyncio
import gc
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from hotpeers_shim.adapters import invocations, requests
from hotpeers_shim.contract.turns import MAX_TURNS_BYTES, Turns, dump_turns, load_turns
from hotpeers_shim.settings import Settings
from hotpeers_shim.turns import Turnstile
from kit.waiting import until, until_async

BOOTSTRAP = Path(find_spec("hotpeers_shim").origin).parent / "bootstrap"
SERVED = Path(__file__).with_name("served.py")
_SECONDS = 30.0


class Program:
    """One program that serves, with the shim in it."""

    def __init__(self, folder, **env):
        self.folder, self.gate = folder, folder / "gate"
        self.connections = []
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
        environ |= {
            "PYTHONPATH": str(BOOTSTRAP),
            "HOTPEERS_PEER_FILE": str(folder / "peers.json"),
            **env,
        }
        self.process = subprocess.Popen(
            [sys.executable, SERVED, str(self.port), self.gate],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until("the program to serve", self._serves, _SECONDS)

    def _serves(self):
        try:
            self.ask("GET", "/nothing").close()
        except OSError:
            return False
        return True

    def ask(self, method, path):
        """Send a request; the connection, of which the answer is still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        self.connections.append(connection)
        connection.request(method, path)
        return connection

    def turns(self):
        path = self.folder / "acks" / f"turns-{self.process.pid}.json"
        return load_turns(path.read_bytes()) if path.exists() else None

    def wait_for(self, active, **fields):
        def check():
            turns = self.turns()
            if turns is None or turns.active != active:
                return None
            return turns if all(getattr(turns, k) == v for k, v in fields.items()) else None

        return until(f"{active} turns, {fields}", check, _SECONDS)

    def close(self):
        self.gate.touch()
        for connection in self.connections:
            connection.close()
        self.process.kill()
        return self.process.communicate(timeout=10)


@pytest.fixture
def program(tmp_path):
    started = Program(tmp_path)
    yield started
    started.close()


def test_requests_count_until_their_answers_have_been_sent(program):
    before = program.wait_for(0)
    assert before.idleSince == pytest.approx(time.time(), abs=60)
    paths = ("/wait", "/stream", "/behind", "/mounted/wait")
    connections = [program.ask("POST", path) for path in paths]
    # A program that is mounted in another one is asked once all the same.
    turns = program.wait_for(len(paths))
    assert turns.idleSince is None
    assert turns.pid == program.process.pid
    program.gate.touch()
    bodies = [connection.getresponse().read() for connection in connections]
    assert bodies == [b"done", b"begun\ndone\n", b"answered", b"done"]
    assert program.wait_for(0).idleSince > before.idleSince


def test_get_request_is_not_a_turn_and_a_failure_ends_a_turn(program):
    reading = program.ask("GET", "/wait")
    waiting = program.ask("POST", "/wait")
    program.wait_for(1)
    failed = program.ask("POST", "/fail")
    assert failed.getresponse().status == 500
    program.gate.touch()
    assert (reading.getresponse().read(), waiting.getresponse().read()) == (b"done", b"done")
    program.wait_for(0)


def test_abandoned_stream_ends_its_turn(program):
    leaving = program.ask("POST", "/stream")
    assert leaving.getresponse().read(6) == b"begun\n"
    program.wait_for(1)
    leaving.close()
    program.gate.touch()
    program.wait_for(0)


def test_each_answer_closes_its_connection_during_a_drain(program):
    staying = program.ask("GET", "/nothing")
    assert "connection" not in staying.getresponse().headers
    held = program.ask("POST", "/stream")
    program.wait_for(1, draining=False)
    sign = program.folder / "draining"
    sign.touch()
    first = program.wait_for(1, draining=True)
    # It keeps reporting, even without a change.
    until("another file", lambda: program.turns().time > first.time, _SECONDS)
    for method, path in (("GET", "/nothing"), ("POST", "/behind")):
        answer = program.ask(method, path).getresponse()
        assert answer.headers.get_all("connection") == ["close"]
    # A connection from before may be used once more, and is not refused.
    other = program.ask("POST", "/stream").getresponse()
    assert other.headers.get_all("connection") == ["close"]
    program.gate.touch()
    assert held.getresponse().headers["connection"] == "keep-alive"
    sign.unlink()
    program.wait_for(0, draining=False)
    assert "connection" not in program.ask("GET", "/nothing").getresponse().headers


def test_forked_process_has_turns_of_its_own(program):
    waiting = program.ask("POST", "/wait")
    program.wait_for(1)
    assert program.ask("POST", "/fork").getresponse().read() == b"forked"
    assert program.turns().active == 1
    program.gate.touch()
    assert waiting.getresponse().read() == b"done"
    out, _ = program.close()
    assert out.split() == ["0", "True", "1"]


def test_folder_that_cannot_be_written_costs_no_turn(tmp_path):
    (tmp_path / "acks").write_text("a file in its place")
    program = Program(tmp_path)
    program.gate.touch()
    assert program.ask("POST", "/wait").getresponse().read() == b"done"
    out, err = program.close()
    assert (out, err) == ("", "")


@pytest.fixture
def stile(tmp_path):
    made = Turnstile(Settings(peer_file=tmp_path / "peers.json", ack_dir=tmp_path / "acks"))
    made._runs = True  # nothing is written here
    return made


def test_nested_work_counts_once_and_keeps_the_turn_active(stile):
    request = stile.begin()
    run = stile.begin(request.turn)
    nested = stile.begin(request.turn)
    assert stile.turns().active == 1
    nested.end()
    request.end()
    request.end()
    assert stile.turns().active == 1
    run.end()
    assert (stile.turns().active, stile.turns().idleSince) == (0, stile._idle_since)


def test_hold_that_is_dropped_ends(stile):
    hold = stile.begin()
    assert stile.turns().active == 1
    del hold
    gc.collect()
    assert stile.turns().active == 0


def test_turns_of_many_threads_are_counted(stile):
    inside, leave = threading.Barrier(9), threading.Event()

    def work():
        for _ in range(500):
            stile.begin().end()
        hold = stile.begin()
        inside.wait()
        leave.wait()
        hold.end()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    inside.wait()
    assert stile.turns().active == 8
    leave.set()
    for thread in threads:
        thread.join()
    assert stile.turns().active == 0


class Runner:
    """As google-adk's: an async generator that nothing may be changed of."""

    def __init__(self):
        self.closed = False

    async def run_async(self, *events, fail=False):
        try:
            for event in events:
                yield event
            if fail:
                raise ValueError("of the agent")
        finally:
            self.closed = True


@pytest.fixture
def runner(stile, monkeypatch):
    kind = type("Hooked", (Runner,), {"run_async": Runner.run_async})
    invocations.hook_runs(kind)
    monkeypatch.setattr("hotpeers_shim.turns._turnstile", stile)
    return kind()


async def test_open_websocket_is_an_active_turn(stile, monkeypatch):
    monkeypatch.setattr("hotpeers_shim.turns._turnstile", stile)
    closing, sent = asyncio.Event(), []

    async def connected(websocket):
        await websocket.accept()
        await closing.wait()
        await websocket.close()

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    kind = type("Hooked", (Starlette,), {})
    requests.hook_starlette(SimpleNamespace(Starlette=kind))
    app = kind(routes=[WebSocketRoute("/ws", connected)])
    scope = {"type": "websocket", "path": "/ws", "headers": [], "subprotocols": []}
    stile.draining = True
    task = asyncio.create_task(app(scope, receive, send))
    await until_async("the first message", lambda: sent)
    assert stile.turns().active == 1
    closing.set()
    await task
    assert (stile.turns().active, sent) == (0, ["websocket.accept", "websocket.close"])


async def test_unknown_scope_is_served(stile, monkeypatch, caplog):
    monkeypatch.setattr("hotpeers_shim.turns._turnstile", stile)

    class Odd:
        async def __call__(self, scope, receive, send):
            self.served = scope

    requests.hook_starlette(SimpleNamespace(Starlette=Odd))
    odd = Odd()
    await odd({}, None, None)
    assert odd.served == {}
    assert "a request is not counted as a turn: KeyError: 'type'" in caplog.text


async def test_invocation_is_a_turn_from_its_first_event_to_its_end(runner, stile):
    events = runner.run_async(1, 2)
    assert stile.turns().active == 0
    assert await anext(events) == 1
    assert stile.turns().active == 1
    assert [event async for event in events] == [2]
    assert (stile.turns().active, runner.closed) == (0, True)


async def test_invocation_that_fails_or_is_closed_early_ends(runner, stile):
    with pytest.raises(ValueError, match="of the agent"):
        _ = [event async for event in runner.run_async(fail=True)]
    events = runner.run_async(1, 2)
    await anext(events)
    await events.aclose()
    assert (stile.turns().active, runner.closed) == (0, True)


def test_invocation_that_no_loop_closes_ends_when_it_is_dropped(runner, stile):
    loop = asyncio.new_event_loop()
    kept = runner.run_async(1, 2)
    loop.run_until_complete(anext(kept))
    assert stile.turns().active == 1
    loop.close()
    del kept
    gc.collect()
    assert (stile.turns().active, runner.closed) == (0, True)


def test_runner_without_an_async_generator_is_not_hooked():
    class Other:
        async def run_async(self):
            return []

    before = Other.run_async
    with pytest.raises(AttributeError, match="no async generator"):
        invocations.hook_runs(Other)
    assert Other.run_async is before


def test_turns_file_survives_a_round_trip_and_malformed_ones_are_rejected():
    turns = Turns(7, 2, None, True, 1.5)
    assert load_turns(dump_turns(turns)) == turns
    idle = Turns(7, 0, 12.25, False, 13.0)
    assert load_turns(dump_turns(idle)) == idle
    newer = {**json.loads(dump_turns(idle)), "more": [1]}
    assert load_turns(json.dumps(newer).encode()) == idle


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"pid": 1, "active": -1}',
        b'{"pid": 1, "active": true}',
        b'{"pid": 1, "active": 0, "idleSince": "now"}',
        b'{"pid": 1, "active": 0, "draining": 1}',
        b'{"pid": 1, "active": 0}' + b" " * MAX_TURNS_BYTES,
        b'{"apiVersion": "hotpeers.dev/v9", "pid": 1, "active": 0}',
    ],
)
def test_bad_file_is_refused(raw):
    assert not isinstance(load_turns(raw), Turns)
