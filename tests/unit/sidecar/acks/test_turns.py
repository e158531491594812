"""The turns that agent processes report, as the sidecar reads them."""

import os
import time
from pathlib import Path

import pytest

from hotpeers.sidecar.acks.turns import SILENT_SECONDS, Activity, TurnsReader
from hotpeers_shim.contract.turns import MAX_TURNS_BYTES, Turns, dump_turns


def say(folder: Path, turns: Turns, ago: float = 0.0) -> Path:
    """Write a turns file as a shim does, that long ago."""
    path = folder / f"turns-{turns.pid}.json"
    path.write_bytes(dump_turns(turns))
    at = time.time() - ago
    os.utime(path, (at, at))
    return path


def test_turns_of_all_processes_are_summed(tmp_path: Path) -> None:
    reader = TurnsReader(tmp_path)
    assert reader.activity() == Activity()
    assert reader.activity().document()["idleSeconds"] is None
    say(tmp_path, Turns(1, 2))
    say(tmp_path, Turns(2, 1))
    say(tmp_path, Turns(3, 0, time.time() - 100))
    assert reader.activity(draining=True) == Activity(3, None, draining=True)


def test_idle_time_is_that_of_the_last_active_process(tmp_path: Path) -> None:
    say(tmp_path, Turns(1, 0, time.time() - 100))
    say(tmp_path, Turns(2, 0, time.time() - 10))
    found = TurnsReader(tmp_path).activity()
    assert found.active == 0
    assert found.idle == pytest.approx(10, abs=5)
    # A process whose clock is ahead counts as idle for zero seconds.
    say(tmp_path, Turns(3, 0, time.time() + 1000))
    assert TurnsReader(tmp_path).activity().idle == 0.0


def test_process_that_is_silent_for_long_is_gone(tmp_path: Path) -> None:
    say(tmp_path, Turns(1, 5), ago=SILENT_SECONDS + 5)
    say(tmp_path, Turns(2, 1), ago=SILENT_SECONDS - 5)
    (process,) = TurnsReader(tmp_path).processes()
    assert process.turns.pid == 2
    assert process.age == pytest.approx(SILENT_SECONDS - 5, abs=3)


def test_foreign_and_broken_turns_files_are_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "acks"
    folder.mkdir()
    elsewhere = say(tmp_path, Turns(9, 1))
    (folder / "turns-1.json").symlink_to(elsewhere)
    os.mkfifo(folder / "turns-2.json")
    (folder / "turns-3.json").mkdir()
    (folder / "turns-4.json").write_bytes(dump_turns(Turns(4, 1)) + b" " * MAX_TURNS_BYTES)
    (folder / "turns-5.json").write_text("{")
    (folder / "turns-x.json").write_bytes(dump_turns(Turns(6, 1)))
    (folder / "ack-7.json").write_bytes(dump_turns(Turns(7, 1)))
    assert TurnsReader(folder).processes() == []
    say(folder, Turns(8, 1))
    assert [one.turns.pid for one in TurnsReader(folder).processes()] == [8]
