"""The listening sockets of the agent, which tell one process of it from the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"
_MAX_TABLE_BYTES = 4 * 1024 * 1024


def listening_sockets(tables: Iterable[Path], ports: Collection[int]) -> str:
    """The inodes of the sockets that listen on `ports`, as text; "" if there are none.

    `tables` are /proc/net/tcp and tcp6, which show the network namespace of the pod. The kernel gives
    each new socket another inode (proc(5)).
    """
    found: set[str] = set()
    for table in tables:
        with suppress(OSError), table.open("rb") as file:
            lines = file.read(_MAX_TABLE_BYTES).decode("ascii", "replace").splitlines()
            found.update(_inodes(lines, ports))
    return ",".join(sorted(found))


def _inodes(lines: Iterable[str], ports: Collection[int]) -> Iterable[str]:
    for line in lines:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTEN:
            continue
        with suppress(ValueError):
            if int(fields[1].rpartition(":")[2], 16) in ports:
                yield fields[9]
