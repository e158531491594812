"""A real `hotpeers run` whose folder is fed files made to cost much, or to take over a peer."""

import os
import signal
import threading
import time

import psutil

from kit.bombs import BOMBS
from kit.sidecars import Sidecar
from kit.waiting import until

STOP_SECONDS = 1.0
# The memory limit that the chart gives a sidecar.
MEMORY_BYTES = 256 * 1024 * 1024


def reasons(sidecar: Sidecar) -> dict[str, str]:
    """Problems of files only: no server listens at the addresses of these peers."""
    found = {one["where"]: one["reason"] for one in sidecar.status()["problems"]}
    return {where: reason for where, reason in found.items() if "://" not in where}


def stop_seconds(sidecar: Sidecar) -> float:
    begun = time.monotonic()
    assert sidecar.stop(signal.SIGTERM) == 0
    return time.monotonic() - begun


def peer(name: str, port: int, description: str = "d") -> str:
    return (
        f"apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\nmetadata: {{name: {name}, namespace: ns}}\n"
        f"spec: {{url: 'http://127.0.0.1:{port}', description: {description}}}\n"
    )


def urls(sidecar: Sidecar) -> list[str]:
    return [one.url for one in sidecar.read().peers]


def refused(sidecar: Sidecar) -> dict[str, str]:
    return {one["source"]: one["reason"] for one in sidecar.status()["refused"]}


def test_bombs_are_reported_and_peers_go_on_coming(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.start()
    until("peer a", lambda: sidecar.names() == ["a"])
    bad = ("aliases as a kind", "aliases as a timeout", "a number to the base of 60", "documents")
    for number, name in enumerate(bad):
        sidecar.put(f"bomb{number}.yaml", BOMBS[name])
    until("a problem for each bad file", lambda: len(reasons(sidecar)) == len(bad))
    sidecar.put_peer("b")
    until("peers a and b", lambda: sidecar.names() == ["a", "b"])
    assert stop_seconds(sidecar) < STOP_SECONDS


def test_sidecar_ends_at_once_while_it_is_fed_bombs(sidecar: Sidecar) -> None:
    sidecar.put_peer("a")
    sidecar.start()
    fed = threading.Event()
    ended = threading.Event()

    def feed() -> None:
        while not ended.is_set():
            for number, bomb in enumerate(BOMBS.values()):
                sidecar.put(f"bomb{number}.yaml", bomb)
            fed.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        assert fed.wait(60)
        assert sidecar.is_ready(), "it answers meanwhile"
        assert sidecar.process is not None
        assert psutil.Process(sidecar.process.pid).memory_info().rss < MEMORY_BYTES
        assert stop_seconds(sidecar) < STOP_SECONDS
    finally:
        ended.set()
        feeder.join()


def test_sidecar_ends_at_once_while_it_starts_on_bombs(sidecar: Sidecar) -> None:
    for number, bomb in enumerate(BOMBS.values()):
        sidecar.put(f"bomb{number}.yaml", bomb)
    sidecar.launch()
    # It serves before its folder is read for the first time.
    until("an answer of the health check", lambda: sidecar.answers("/healthz"))
    assert stop_seconds(sidecar) < STOP_SECONDS


def test_newcomer_never_takes_the_name_of_a_live_peer(sidecar: Sidecar) -> None:
    sidecar.put("weather.yaml", peer("weather", 9001))
    sidecar.start()
    until("the address of the first file", lambda: urls(sidecar) == ["http://127.0.0.1:9001"])
    sidecar.put("another.yaml", peer("weather", 9002))
    until(
        "the second file to be refused",
        lambda: refused(sidecar) == {"another.yaml#Peer/ns/weather": "NameCollision"},
    )
    sidecar.put("weather.yaml", "[")
    until("a problem of weather.yaml", lambda: "weather.yaml" in reasons(sidecar))
    assert urls(sidecar) == ["http://127.0.0.1:9001"]
    # At a start with the peer file of before, its file still being broken.
    sidecar.stop(signal.SIGKILL)
    sidecar.start()
    until(
        "the second file to be refused again",
        lambda: refused(sidecar) == {"another.yaml#Peer/ns/weather": "NameCollision"},
    )
    assert urls(sidecar) == ["http://127.0.0.1:9001"]
    (sidecar.peers / "weather.yaml").unlink()
    until("the new address", lambda: urls(sidecar) == ["http://127.0.0.1:9002"])


def test_misspelt_field_is_reported_and_the_peer_is_kept(sidecar: Sidecar) -> None:
    sidecar.put("a.yaml", peer("a", 9001))
    sidecar.start()
    until("peer a", lambda: sidecar.names() == ["a"])
    sidecar.put("a.yaml", peer("a", 9002).replace("description", "descripton"))
    until("the problem of a.yaml", lambda: reasons(sidecar) == {"a.yaml": "UnknownField"})
    assert "did you mean 'description'?" in sidecar.log.read_text()
    assert urls(sidecar) == ["http://127.0.0.1:9001"]
    os.mkfifo(sidecar.peers / "pipe.yaml")
    until("the problem of the pipe", lambda: reasons(sidecar).get("pipe.yaml") == "FileUnreadable")
