"""The wall clock of the machine jumps. Watches and timeouts must not depend on it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.chaos.inside import run_inside, settings_of
from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import Sidecar
from kit.apiserver.client import Object
from kit.apiserver.server import Cluster

_PLACES = [
    os.environ.get("HOTPEERS_TEST_LIBFAKETIME", ""),
    *map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
]
LIBRARY = next((place for place in _PLACES if place and Path(place).exists()), "")
JUMPS = ["+3600", "-3600", "+86400", "-43200", "+315360000", "-315360000", "+0"]
"""Seconds off the true time: an hour, half a day, a day and ten years, to both sides."""


@pytest.mark.skipif(not LIBRARY, reason="needs libfaketime (Debian: apt-get install faketime)")
def test_jumps_of_the_wall_clock_lose_no_change(
    cluster: Cluster,
    make_sidecar: Callable[..., Sidecar],
    make_peer: Callable[..., Object],
    tmp_path: Path,
    tell: Callable[[str], None],
) -> None:
    """Of the process, by libfaketime. The monotonic clock stays true, as it does on any machine."""
    offset = tmp_path / "offset"

    def jump(seconds: str) -> None:
        fresh = tmp_path / "offset.new"
        fresh.write_text(f"{seconds}\n")
        fresh.replace(offset)

    jump("+0")
    names = [f"p{number}" for number in range(20)]
    cluster.api.create_all(map(make_peer, names))
    sidecar = make_sidecar(
        environment={
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    times = []
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(names)
        observer.require(*names)
        for number, seconds in enumerate(JUMPS):
            jump(seconds)
            name, text = names[number], f"at {seconds}"
            cluster.api.patch(make_peer(name), {"spec": {"description": text}})
            times.append(observer.until_told(name, text))
        years = {line[:4] for line in log_of(sidecar).splitlines() if line[:2] == "20"}
        assert len(years) >= 3, f"the clock never jumped: this has tested nothing ({years})"
    tell(
        f"{len(JUMPS)} jumps of the clock: followed in {max(times):.2f} s at most; "
        f"{observer.figures()}"
    )


def log_of(sidecar: Sidecar) -> str:
    return sidecar.process.log.read_text()


async def test_jumps_of_both_clocks_lose_no_change(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    make_peer: Callable[..., Object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tell: Callable[[str], None],
) -> None:
    """In this process, by patching: the monotonic clock leaps too, as when a machine was suspended.

    Every timeout is over at once then: watches are cut, lists are due, retries come.
    """
    names = [f"p{number}" for number in range(20)]
    cluster.api.create_all(map(make_peer, names))
    settings = settings_of(cluster, namespace, tmp_path)
    wall, steady = time.time, time.monotonic
    shift = {"wall": 0.0, "steady": 0.0}
    monkeypatch.setattr(time, "time", lambda: wall() + shift["wall"])
    monkeypatch.setattr(time, "monotonic", lambda: steady() + shift["steady"])

    def scenario() -> None:
        with Observer(settings.peer_file) as observer:
            observer.until_names(names)
            observer.require(*names)
            for number, seconds in enumerate(map(float, JUMPS)):
                shift["wall"] = seconds
                shift["steady"] += max(seconds, 0.0) % 100_000
                name, text = names[number], f"at {seconds}"
                cluster.api.patch(make_peer(name), {"spec": {"description": text}})
                observer.until_told(name, text)
        tell(f"{len(JUMPS)} jumps of both clocks, in this process: {observer.figures()}")

    await run_inside(settings, scenario)
