"""The turns file: how many turns are in flight in one process, for whoever wants to end or restart it.

The shim writes `turns-<pid>.json` beside the acks, when it changed, every 15 seconds, and twice a second
while the pod drains. The sidecar asks for a drain by a file `draining` beside the peer file: it is
there as long as the drain lasts, and its content does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codec import decode, encode
from .fields import get_boolean, get_integer, get_time
from .limits import API_VERSION
from .values import Rejection

DRAINING_FILE = "draining"
"""The name of the file that asks for a drain."""
MAX_TURNS_BYTES = 4096
"""Largest turns file that is read, in bytes."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one process.

    `active` is how many are in flight. `idleSince` is when the last one ended, or when counting began,
    and None while one is in flight. `draining` is whether the process has seen that the pod drains.
    Times are in seconds since the epoch.
    """

    pid: int
    active: int = 0
    idleSince: float | None = None
    draining: bool = False
    time: float = 0.0
    apiVersion: str = API_VERSION


def load_turns(raw: bytes) -> Turns | Rejection:
    """Decode and check a turns file. Never raises; a `Rejection` says what is wrong and where."""
    return decode(raw, MAX_TURNS_BYTES, _turns)


def dump_turns(turns: Turns) -> bytes:
    """Encode turns as one line of UTF-8 JSON, ending in a newline."""
    data = {
        "apiVersion": turns.apiVersion,
        "pid": turns.pid,
        "active": turns.active,
        "idleSince": turns.idleSince,
        "draining": turns.draining,
        "time": turns.time,
    }
    return encode(data) + b"\n"


def _turns(data: dict[str, Any]) -> Turns:
    idle = data.get("idleSince")
    return Turns(
        pid=get_integer(data, "", "pid"),
        active=get_integer(data, "", "active"),
        idleSince=None if idle is None else get_time(data, "", "idleSince"),
        draining=get_boolean(data, "", "draining", default=False),
        time=get_time(data, "", "time"),
    )
