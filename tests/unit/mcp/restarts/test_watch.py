"""The agent's process, as its sockets show it."""

from pathlib import Path

import pytest

from hotpeers.mcp.restarts.sockets import listening_sockets
from hotpeers.mcp.restarts.watch import GAP_SECONDS, STEADY_SECONDS, Process, Watch

# A listener on [::]:8080, one on 127.0.0.1:8091, a connection to port 8080, and lines of no use.
TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode
   0: {any6}:1F90 {any6}:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F9B 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532 0 4712 1 0 100 0
   2: 0100007F:1F90 0100007F:A2F0 01 00000000:00000000 00:00000000 00000000 0 0 4713 1 0 20 4 30
   3: short 0A
   4: 0100007F:XXXX 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532 0 4714 1
""".replace("{any6}", 32 * "0")


@pytest.mark.parametrize(
    ("ports", "sockets"), [([8080], "4711"), ([8080, 8091], "4711,4712"), ([80], ""), ([], "")]
)
def test_listening_sockets_of_the_ports_are_found(
    tmp_path: Path, ports: list[int], sockets: str
) -> None:
    table = tmp_path / "tcp"
    table.write_text(TABLE)
    assert listening_sockets([table, tmp_path / "missing"], ports) == sockets


def test_first_process_is_known_by_the_only_files_that_it_can_have_read() -> None:
    watch = Watch(100.0, since=99.0)
    watch.note_files("a")
    watch.see("", 101.0, 101.0)
    watch.see("1", 102.0, 102.0)
    assert watch.process == Process("1", "a", 99.0)


def test_files_are_unknown_if_they_changed_while_the_process_started() -> None:
    watch = Watch(100.0)
    watch.note_files("a")
    watch.see("", 101.0, 101.0)
    watch.note_files("b")
    watch.see("1", 102.0, 102.0)
    assert watch.process == Process("1", "")


def test_next_process_started_after_the_last_look_at_the_one_before() -> None:
    watch = Watch(100.0)
    watch.note_files("a")
    watch.see("1", 101.0, 101.0)
    watch.note_files("a")
    watch.see("1", 102.0, 102.0)
    watch.note_files("b")
    watch.see("1", 103.0, 103.0)
    watch.note_files("b")
    watch.see("2", 104.0, 104.0)  # so quick that no look saw it away
    assert watch.process == Process("2", "b", 103.0, 104.0)


def test_process_is_steady_after_it_has_listened_for_a_while() -> None:
    watch = Watch(100.0)
    watch.see("1", 101.0, 101.0)
    assert not watch.steady
    watch.see("1", 101.0 + STEADY_SECONDS, 101.0 + STEADY_SECONDS)
    assert watch.steady
    assert watch.unsteady(112.0) == 1.0
    watch.see("", 112.0, 112.0)
    watch.see("2", 113.0, 113.0)
    watch.see("2", 114.0, 114.0)
    watch.see("", 115.0, 115.0)
    assert not watch.steady
    assert watch.unsteady(121.0) == 10.0


def test_restarted_sidecar_recognizes_the_process() -> None:
    known = Process("1", "a", 50.0)
    watch = Watch(100.0, process=known, since=known.since)
    watch.note_files("b")
    watch.see("1", 100.0, 100.0)
    assert watch.process == known
    other = Watch(100.0, process=known, since=known.since)
    other.note_files("b")
    other.see("2", 100.0, 100.0)
    assert other.process == Process("2", "b", 50.0, 100.0)


def test_process_that_opens_or_closes_another_port_is_the_same() -> None:
    watch = Watch(100.0)
    watch.note_files("a")
    assert watch.see("1", 101.0, 101.0)
    assert not watch.see("1,2", 102.0, 102.0)
    assert watch.process == Process("1,2", "a", 0.0)
    assert not watch.see("2", 103.0, 103.0)
    assert not watch.see("", 104.0, 104.0)
    assert watch.see("11", 105.0, 105.0)
    assert watch.process is not None
    assert watch.process.restarted == 105.0


def test_pause_of_the_sidecar_is_no_time_without_the_agent() -> None:
    watch = Watch(100.0)
    watch.see("1", 101.0, 101.0)
    watch.see("1", 101.0 + STEADY_SECONDS, 101.0 + STEADY_SECONDS)
    watch.see("", 1000.0, 1000.0)
    assert watch.unsteady(1000.0) == 0.0
    watch.see("", 1000.0 + GAP_SECONDS, 1000.0)
    assert watch.unsteady(1000.0 + GAP_SECONDS) == GAP_SECONDS
