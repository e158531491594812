"""Turns of an agent without the shim, from its connections."""

import json
from pathlib import Path

import pytest

from hotpeers.mcp.bridge_turns import BridgeTurns, count_connections

# Lines of /proc/net/tcp and tcp6: a listener, two connections to port 8080 (1F90), one from this
# pod to another's 8080, one that the client has closed (08), one of another port.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0500F40A:1F90 0600F40A:C351 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 0500F40A:C352 0700F40A:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4
   4: 0500F40A:1F90 0600F40A:C353 08 00000000:00000000 00:00000000 00000000     0        0 5
   5: 0500F40A:1F9A 0600F40A:C354 01 00000000:00000000 00:00000000 00000000     0        0 6
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF00000500F40A:1F90 0000000000000000FFFF00000600F40A:C355 01 0
"""


def test_established_connections_to_the_agents_port_are_counted() -> None:
    assert count_connections(TCP.splitlines(), {8080}) == 2
    assert count_connections(TCP6.splitlines(), {8080}) == 1
    assert count_connections(TCP.splitlines(), {8080, 8090}) == 3
    assert count_connections(TCP.splitlines(), set()) == 0


@pytest.mark.parametrize("line", ["", "x", "0: a b 01", "0: 0100007F:ZZZZ x 01 y"])
def test_lines_of_another_shape_are_skipped(line: str) -> None:
    assert count_connections([line], {8080}) == 0


def test_turns_are_counted_as_connections_or_calls_until_they_end(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    table.write_text(TCP)
    calls = 5
    turns = BridgeTurns(
        tmp_path / "acks",
        tmp_path / "peers/peers.json",
        {8080},
        lambda: calls,
        tables=[table, tmp_path / "tcp6"],
    )
    assert (turns.turns().active, turns.turns().idleSince) == (5, None)
    calls = 0
    assert turns.turns().active == 2
    table.write_text("")
    idle = turns.turns()
    assert idle.active == 0
    assert idle.idleSince is not None
    assert turns.turns().idleSince == idle.idleSince
    assert not idle.draining
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers/draining").touch()
    assert turns.turns().draining


async def test_the_file_is_written_and_removed(tmp_path: Path) -> None:
    import asyncio

    turns = BridgeTurns(tmp_path / "acks", tmp_path / "peers.json", {8080}, lambda: 3, tables=[])
    task = asyncio.create_task(turns.run())
    async with asyncio.timeout(5):
        while not (found := list((tmp_path / "acks").glob("turns-*.json"))):
            await asyncio.sleep(0.01)
    assert json.loads(found[0].read_text())["active"] == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not found[0].exists()
