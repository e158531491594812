"""`hotpeers run` as a process: a reader of its file sees a whole file at any time."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hotpeers_shim.contract import (
    Ack,
    AckState,
    CallFailure,
    Peer,
    PeerFile,
    dump_ack,
    load_peer_file,
)
from kit.apiserver.processes import free_ports
from kit.sidecars import SECONDS, Sidecar
from kit.waiting import until

CARD_SERVER = """
import json, sys
from aiohttp import web
card = {"name": "N", "description": "From the card", "version": "1", "capabilities": {},
        "defaultInputModes": ["text"], "defaultOutputModes": ["text"],
        "skills": [{"id": "s", "name": "S", "description": "d", "tags": ["t"]}]}
async def serve(request):
    url = f"http://{request.host}/"
    if sys.argv[1] == "0.3":
        return web.json_response(card | {"url": url, "protocolVersion": "0.3.0"})
    if sys.argv[1] == "evil":
        url = "http://127.0.0.2:1/"
    interface = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    return web.json_response(card | {"supportedInterfaces": [interface]})
app = web.Application()
app.router.add_get("/.well-known/agent-card.json", serve)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None)
"""


@pytest.fixture
def card_server() -> Iterator[Callable[[str], str]]:
    processes = []

    def start(form: str) -> str:
        (port,) = free_ports(1)
        processes.append(subprocess.Popen([sys.executable, "-c", CARD_SERVER, form, str(port)]))
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_peers_come_change_and_go(sidecar: Sidecar) -> None:
    sidecar.start()
    assert sidecar.read() == PeerFile(1, (), "", sidecar.read().digest)
    sidecar.put_peer("a")
    until("peer a", lambda: sidecar.names() == ["a"])
    sidecar.put_peer("b")
    until("peers a and b", lambda: sidecar.names() == ["a", "b"])
    sidecar.put_peer("a", "other")
    until("the new description", lambda: sidecar.read().peers[0].description == "other")
    (sidecar.peers / "a.yaml").unlink()
    until("peer b only", lambda: sidecar.names() == ["b"])
    assert sidecar.read().generation == 5
    assert sidecar.stop() == 0


def test_cards_of_both_generations_describe_peers(
    sidecar: Sidecar, card_server: Callable[[str], str]
) -> None:
    for name, form in (("old", "0.3"), ("new", "1.0"), ("evil", "evil")):
        sidecar.put_peer(name, "", card_server(form))
    sidecar.start()
    until(
        "the refusal of a card from another origin",
        lambda: reasons(sidecar, "refused") == ["CardOriginMismatch"],
    )
    until(
        "both peers to be ready",
        lambda: {peer.name for peer in sidecar.read().peers if peer.ready} == {"old", "new"},
    )
    for peer in sidecar.read().peers:
        assert (peer.description, peer.skills[0].id) == ("From the card", "s")
        (interface,) = peer.interfaces
        version = {"old": "0.3", "new": "1.0"}[peer.name]
        assert (interface.url, interface.binding) == (f"{peer.url}/", "JSONRPC")
        assert interface.protocolVersion == version


def test_unsigned_card_is_refused_where_signatures_are_required(
    sidecar: Sidecar, card_server: Callable[[str], str], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    sidecar.put_peer("a", "described", card_server("1.0"))
    sidecar.start("--require-signed", str(keys))
    until(
        "the refusal of an unsigned card", lambda: reasons(sidecar, "refused") == ["CardUnsigned"]
    )
    assert sidecar.names() == []


def test_failing_call_of_a_ready_peer_shows_up_at_once(
    sidecar: Sidecar, card_server: Callable[[str], str]
) -> None:
    sidecar.put_peer("a", "", card_server("1.0"))
    sidecar.start()
    until("the peer to be ready", lambda: [peer.ready for peer in sidecar.read().peers] == [True])
    before = sidecar.read()
    tool = before.peers[0].toolName
    failure = CallFailure(tool, "PeerUnreachable", "connection refused", 1, time.time())
    ack = Ack(pid=77, state=AckState.ACTIVE, failures=(failure,), time=time.time())
    sidecar.acks.mkdir(exist_ok=True)
    (sidecar.acks / "ack-77.json").write_bytes(dump_ack(ack))
    until("the peer to be failing", lambda: sidecar.status()["peers"][0]["failing"], 2.0)
    assert b'hotpeers_call_failures{peer="' in sidecar.get("/metrics")
    assert b"PeerUnreachable" in sidecar.get("/")
    assert sidecar.read() == before, "it is shown, and changes nothing that is offered"


def reasons(sidecar: Sidecar, what: str) -> list[str]:
    return [item["reason"] for item in sidecar.status()[what]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_sidecar_cleanly_and_quickly(sidecar: Sidecar, number: int) -> None:
    sidecar.put_peer("a")
    sidecar.start()
    began = time.monotonic()
    assert sidecar.stop(number) == 0
    # A server that waits for its connections takes a minute.
    assert time.monotonic() - began < 20.0
    assert sidecar.names() == ["a"]
    assert b"Traceback" not in sidecar.log.read_bytes()


def test_killed_sidecar_continues_after_its_restart(sidecar: Sidecar) -> None:
    for name in ("c", "a", "b"):
        sidecar.put_peer(name)
        if sidecar.process is None:
            sidecar.start()
        until(f"peer {name}", lambda name=name: name in sidecar.names())
    before = sidecar.read()
    sidecar.stop(signal.SIGKILL)
    leftover = sidecar.file.parent / ".peers.json.abcd1234.tmp"
    leftover.write_text("half")
    sidecar.start()
    assert sidecar.read() == before
    assert not leftover.exists()
    sidecar.put_peer("d")
    until("all four peers in order", lambda: sidecar.names() == ["c", "a", "b", "d"])
    assert sidecar.read().generation == before.generation + 1


def test_restart_with_a_broken_source_removes_no_peer(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.put_peer("b")
    sidecar.start()
    before = sidecar.read()
    sidecar.stop(signal.SIGKILL)
    sidecar.put("a.yaml", "{")
    (sidecar.peers / "b.yaml").unlink()
    sidecar.start()
    until("peer a", lambda: sidecar.names() == ["a"])
    until("the problem NotYaml", lambda: reasons(sidecar, "problems")[:1] == ["NotYaml"])
    sidecar.stop(signal.SIGKILL)
    sidecar.peers.rename(sidecar.peers.with_name("away"))
    command = [sys.executable, "-m", "hotpeers", "run", "--listen", f"127.0.0.1:{sidecar.port}"]
    options = ["--peers-dir", str(sidecar.peers), "--peer-file", str(sidecar.file)]
    with sidecar.log.open("ab") as log:
        sidecar.process = subprocess.Popen([*command, *options], stderr=log)

    def alive() -> bool:
        try:
            return sidecar.get("/healthz") == b"ok\n"
        except OSError:
            return False

    until("an answer of the health check", alive)
    until("the problem SourceMissing", lambda: "SourceMissing" in reasons(sidecar, "problems"))
    assert not sidecar.status()["ready"]
    assert sidecar.names() == ["a"]
    sidecar.peers.with_name("away").rename(sidecar.peers)
    sidecar.put_peer("b")
    until("peers a and b", lambda: sidecar.names() == ["a", "b"])
    assert sidecar.read().peers[0] == before.peers[0]


def test_malformed_file_is_reported_and_keeps_the_peer_file(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.start()
    before = sidecar.read()
    sidecar.put("a.yaml", "apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\nmetadata: {name: a}\n")
    (problem,) = until(
        "the problem of a.yaml",
        lambda: [item for item in sidecar.status()["problems"] if item["where"] == "a.yaml"],
    )
    assert (problem["document"], problem["field"], problem["reason"]) == (1, "spec", "WrongShape")
    assert sidecar.read().peers == before.peers
    until("WrongShape in the log", lambda: b"WrongShape" in sidecar.log.read_bytes())
    until(
        "the metric of problems",
        lambda: b'hotpeers_problems{reason="WrongShape"} 1.0' in sidecar.get("/metrics"),
    )


def test_acks_show_in_status_and_metrics(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.start("--orchestrator", "default/concierge")
    sidecar.acks.mkdir()

    def ack(**fields: Any) -> None:
        path = sidecar.acks / "ack-77.json"
        value = Ack(pid=77, **{"state": AckState.ACTIVE, "time": time.time(), **fields})
        path.with_suffix(".tmp").write_bytes(dump_ack(value))
        path.with_suffix(".tmp").replace(path)

    ack(generation=sidecar.read().generation)
    until(
        "the ack of the newest generation",
        lambda: sidecar.status()["ackedGeneration"] == sidecar.read().generation,
    )
    assert b"hotpeers_reload_seconds_count 0.0" in sidecar.get("/metrics")
    sidecar.put_peer("b")
    until("peers a and b", lambda: sidecar.names() == ["a", "b"])
    ack(generation=sidecar.read().generation)
    until(
        "the metric of reloads",
        lambda: b"hotpeers_reload_seconds_count 1.0" in sidecar.get("/metrics"),
    )
    ack(generation=1, state=AckState.REFUSED, reason="NotJson", message="cut")
    until("the unreadable ack", lambda: reasons(sidecar, "acks") == ["NotJson"])
    until(
        "the metric of nacks",
        lambda: b'hotpeers_nacks_total{reason="NotJson"} 1.0' in sidecar.get("/metrics"),
    )
    metrics = sidecar.get("/metrics")
    assert b"hotpeers_acked_generation 1.0" in metrics
    assert b"hotpeers_peers 2.0" in metrics
    assert b"hotpeers_projection_seconds_count" in metrics
    until("NotJson in the log", lambda: b'"reason": "NotJson"' in sidecar.log.read_bytes())
    page = sidecar.get("/")
    assert b"default/concierge" in page


def test_taken_port_prints_one_line(sidecar: Sidecar, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "hotpeers", "run", "--listen", address]
        options = ["--peers-dir", str(sidecar.peers), "--peer-file", str(tmp_path / "f.json")]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert address in errors[0]
    assert "Traceback" not in done.stderr


def test_second_sidecar_for_one_peer_file_prints_one_line(sidecar: Sidecar) -> None:
    sidecar.start()
    command = [sys.executable, "-m", "hotpeers", "run", "--listen", "none"]
    options = ["--peers-dir", str(sidecar.peers), "--peer-file", str(sidecar.file)]
    second = subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, timeout=SECONDS
    )
    assert second.returncode == 2
    assert second.stderr.splitlines()[-1] == (
        f"error: {sidecar.file}: another hotpeers writes it; end that one, or choose another "
        "--peer-file (HOTPEERS_PEER_FILE)"
    )
    assert sidecar.is_ready()


def test_deleted_peer_file_is_written_again(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.start()
    sidecar.file.unlink()
    until("the peer file", sidecar.file.exists)
    assert sidecar.names() == ["a"]


def test_reader_never_sees_a_broken_file_and_the_end_equals_a_fresh_start(
    sidecar: Sidecar, tmp_path: Path
) -> None:
    sidecar.put_peer("p0")
    sidecar.start()
    seen: list[object] = []
    generations: list[int] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            found = load_peer_file(sidecar.file.read_bytes())
            if isinstance(found, PeerFile):
                generations.append(found.generation)
            else:
                seen.append(found)

    reader = threading.Thread(target=poll)
    reader.start()
    dice = random.Random(7)
    for step in range(500):
        name = f"p{dice.randrange(20)}"
        match dice.randrange(6):
            case 0:
                (sidecar.peers / f"{name}.yaml").unlink(missing_ok=True)
            case 1:
                sidecar.put(f"{name}.yaml", "{broken")
            case _:
                sidecar.put_peer(name, f"step {step}")
    for number in range(20):
        if (sidecar.peers / f"p{number}.yaml").exists():
            sidecar.put_peer(f"p{number}", f"end {number}")
    # The last change that is made is the last one that is seen.
    sidecar.put_peer("z-end")
    until("peer z-end", lambda: "z-end" in sidecar.names())
    stop.set()
    reader.join()
    assert seen == []
    assert generations == sorted(generations)
    assert sidecar.stop() == 0

    fresh = Sidecar(tmp_path / "fresh")
    fresh.peers = sidecar.peers
    (tmp_path / "fresh").mkdir()
    fresh.start()
    try:
        assert by_name(fresh) == by_name(sidecar)
    finally:
        fresh.stop()


def by_name(sidecar: Sidecar) -> dict[str, Peer]:
    return {peer.name: peer for peer in sidecar.read().peers}


def test_a_thousand_manifests(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1000):
        sidecar.put_peer(f"p{number}")
    began = time.monotonic()
    sidecar.start()
    started = time.monotonic() - began
    assert len(sidecar.names()) == 1000
    times = []
    for number in range(20):
        began = time.monotonic()
        sidecar.put_peer("p500", f"change {number}")
        needle = f'"change {number}"'.encode()
        until(
            f"{needle!r} in the peer file",
            lambda needle=needle: needle in sidecar.file.read_bytes(),
        )
        times.append(time.monotonic() - began)
    assert sidecar.process is not None
    memory = psutil.Process(sidecar.process.pid).memory_info().rss / 1e6
    with capsys.disabled():
        print(
            f"\n1000 manifests: ready {started:.2f} s after start, change -> file median "
            f"{sorted(times)[10] * 1000:.1f} ms, max {max(times) * 1000:.1f} ms, {memory:.0f} MB"
        )


def run_at(peers: Path, peer_file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hotpeers", "run", "--listen", "none"]
    options = ["--peers-dir", str(peers), "--peer-file", str(peer_file)]
    return subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, timeout=SECONDS
    )


@pytest.mark.parametrize("place", ["below a file", "a directory", "no file system for it"])
def test_peer_file_that_cannot_be_written_ends_the_start(tmp_path: Path, place: str) -> None:
    (tmp_path / "peers").mkdir()
    (tmp_path / "file").write_text("")
    peer_file = {
        "below a file": tmp_path / "file" / "peers.json",
        "a directory": tmp_path,
        "no file system for it": Path("/proc/hotpeers/peers.json"),
    }[place]
    done = run_at(tmp_path / "peers", peer_file)
    assert done.returncode == 2
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: {peer_file}: the peer file cannot be written: ")
    assert "--peer-file (HOTPEERS_PEER_FILE)" in error
    assert "Traceback" not in done.stderr


def test_start_fails_on_a_read_only_file_system(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=65536", "hotpeers-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("to mount a file system needs root")
    try:
        (tmp_path / "peers").mkdir()
        done = run_at(tmp_path / "peers", folder / "peers.json")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert (done.returncode, "Read-only file system" in done.stderr) == (2, True)


def test_peer_file_that_cannot_be_written_later_is_reported_and_retried(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.start()
    folder = sidecar.file.parent
    folder.rename(folder.with_name("away"))
    folder.write_text("no directory")
    sidecar.put_peer("b")
    until(
        "the problem ProjectionFailed", lambda: "ProjectionFailed" in reasons(sidecar, "problems")
    )
    folder.unlink()
    until(
        "peers a and b in the peer file",
        lambda: sidecar.file.exists() and sidecar.names() == ["a", "b"],
    )
    until(
        "the problem ProjectionFailed to be solved",
        lambda: "ProjectionFailed" not in reasons(sidecar, "problems"),
    )
    assert b"solved: " in sidecar.log.read_bytes()
